// SPDX-License-Identifier: BSD-3-Clause
// A heap like that of a Node program: token trees of sources, maps, JSON.
//
// usage: heap.js MIB FILE-LIST
// Prints READY when its memory reaches MIB, then waits until stdin closes.
'use strict';
const fs = require ('fs');
for (const name of ['crypto', 'http', 'https', 'http2', 'readline', 'zlib'])
  try { require (name); } catch { /* built without it */ }

const limitBytes = Number (process.argv[2]) * 1048576;
const listing = fs.readFileSync (process.argv[3], 'utf8');
const paths = listing.split ('\n').slice (0, -1);
// Blanks, comments, words, strings, signs.
const TOKEN = new RegExp ([
  /(\s+)/, /(\/\/.*|\/\*[^]*?\*\/)/, /([\w$]+)/,
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')/, /([^])/,
].map (part => part.source).join ('|'), 'g');

class Node {
  constructor (kind, start, parent) {
    this.kind = kind;
    this.start = start;
    this.end = start;
    this.parent = parent;
    this.children = [];
  }
}

// Brackets nest; words, strings, comments and signs are the leaves.
function parse (text, symbols) {
  const root = new Node ('source', 0, null);
  let at = root;
  for (const m of text.matchAll (TOKEN)) {
    if (m[1]) continue;
    const kind = m[2] ? 'comment' : m[3] ? 'word' : m[4] ? 'string' : 'sign';
    const node = new Node (kind, m.index, at);
    node.text = m[0];
    at.children.push (node);
    if (kind === 'word') addReference (symbols, m[0], node);
    if ('({['.includes (m[0])) at = node;
    else if (')}]'.includes (m[0]) && at.parent) {
      at.end = m.index;
      at = at.parent;
    }
  }
  return root;
}

function addReference (symbols, word, node) {
  const list = symbols.get (word);
  if (list) list.push (node);
  else symbols.set (word, [node]);
}

function load (path, store) {
  const text = fs.readFileSync (path, 'utf8');
  if (path.endsWith ('.json')) store.data[path] = JSON.parse (text);
  else if (path.endsWith ('.js'))
    store.trees.set (path, parse (text, store.symbols));
  else
    store.pages.push ({ path, bytes: Buffer.from (text),
                        lines: text.split ('\n') });
}

const store = { data: {}, trees: new Map (), symbols: new Map (), pages: [] };
for (const path of paths) {
  if (process.memoryUsage.rss () >= limitBytes) break;
  try { load (path, store); } catch { /* JSON with comments */ }
}
globalThis.store = store;
console.log ('READY');
process.stdin.on ('end', () => process.exit (0)).resume ();
