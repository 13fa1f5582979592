// SPDX-License-Identifier: BSD-3-Clause
// A heap like that of a Java service: classes, documents, records, collections.
//
// usage: java Heap.java MIB FILE-LIST
// Prints READY when its memory reaches MIB, then waits until stdin closes.
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.xml.parsers.*;

public class Heap {
  static class Record {
    final String name, value;
    final int line;
    Record (String name, String value, int line) {
      this.name = name;
      this.value = value;
      this.line = line;
    }
  }

  static class Document {
    final Path path;
    final long loadedAt = System.nanoTime ();
    final List<Record> records = new ArrayList<> ();
    final Map<String, Integer> wordCounts = new HashMap<> ();
    Document (Path path) { this.path = path; }
  }

  static final String FEATURES = "http://apache.org/xml/features/";
  static final Pattern SETTING =
    Pattern.compile ("[\\s#]*([\\w.$-]+)\\s*[=:( ]\\s*(.{1,40})");
  static final Map<String, Map<String, Method>> methods = new TreeMap<> ();
  static final Map<Path, Object> contents = new LinkedHashMap<> ();

  static long residentBytes () throws IOException {
    String statm = Files.readString (Path.of ("/proc/self/statm"));
    return Long.parseLong (statm.split (" ")[1]) * 4096;
  }

  static void loadClass (String name) {
    try {
      Map<String, Method> byName = new HashMap<> ();
      ClassLoader loader = Heap.class.getClassLoader ();
      for (Method m : Class.forName (name, false, loader).getDeclaredMethods ())
        byName.put (m.toGenericString (), m);
      methods.put (name, byName);
    }
    catch (ReflectiveOperationException | LinkageError e) {
      // a class that needs another one which this runtime lacks
    }
  }

  static List<String> classNames () throws IOException {
    FileSystem runtime = FileSystems.getFileSystem (URI.create ("jrt:/"));
    Path modules = runtime.getPath ("/modules");
    try (Stream<Path> files = Files.walk (modules)) {
      return files.filter (p -> p.toString ().endsWith (".class"))
        .map (p -> p.subpath (2, p.getNameCount ()).toString ())
        .filter (s -> s.startsWith ("java"))
        .map (s -> s.substring (0, s.length () - 6).replace ('/', '.'))
        .collect (Collectors.toList ());
    }
  }

  static Object loadXml (Path path) throws Exception {
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance ();
    factory.setFeature (FEATURES + "nonvalidating/load-external-dtd", false);
    factory.setFeature (FEATURES + "dom/defer-node-expansion", false);
    DocumentBuilder builder = factory.newDocumentBuilder ();
    builder.setErrorHandler (null);
    return builder.parse (path.toFile ());
  }

  static Object loadText (Path path) throws IOException {
    Document document = new Document (path);
    for (String line : Files.readAllLines (path, StandardCharsets.ISO_8859_1)) {
      Matcher m = SETTING.matcher (line);
      if (m.lookingAt ())
        document.records.add (new Record (m.group (1), m.group (2),
                                          document.records.size ()));
      for (String word : line.split ("\\W+"))
        document.wordCounts.merge (word, 1, Integer::sum);
    }
    return document;
  }

  static void loadFile (Path path) {
    try {
      boolean isXml = path.toString ().endsWith (".xml");
      contents.put (path, isXml ? loadXml (path) : loadText (path));
    }
    catch (Exception e) {
      // broken test data
    }
  }

  public static void main (String[] args) throws IOException {
    long limitBytes = Long.parseLong (args[0]) << 20;
    List<String> paths = Files.readAllLines (Path.of (args[1]));
    for (String name : classNames ())
      if (residentBytes () < limitBytes / 2)
        loadClass (name);
    for (String path : paths)
      if (residentBytes () < limitBytes)
        loadFile (Path.of (path));
    System.out.println ("READY");
    while (System.in.read () >= 0)
      ;
  }
}
