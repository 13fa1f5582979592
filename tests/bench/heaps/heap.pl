# SPDX-License-Identifier: BSD-3-Clause
# A heap like that of a Perl program that indexes text: lines, words, records.
#
# usage: heap.pl MIB FILE-LIST
# Prints READY when its memory reaches MIB, then waits until stdin closes.
use strict;
use warnings;

my ($mib, $listing) = @ARGV;
my (%places, @documents);

sub resident_bytes {
    open my $statm, '<', '/proc/self/statm' or die "statm: $!";
    return (split ' ', <$statm>)[1] * 4096;
}

sub load {
    my ($path) = @_;
    open my $fh, '<', $path or return;
    my %document = (path => $path, lines => [], headings => {});
    while (my $line = <$fh>) {
        push @{ $document{lines} }, $line;
        $document{headings}{$1} = $.
            if $line =~ /^(?:=head\d|#+|sub|\.SH)\s+(.+)/;
        push @{ $places{$1} }, [ scalar @documents, $. ]
            while $line =~ /(\w{3,})/g;
    }
    push @documents, \%document;
}

open my $list, '<', $listing or die "$listing: $!";
while (my $path = <$list>) {
    last if resident_bytes () >= $mib * (1 << 20);
    chomp $path;
    load ($path);
}
$| = 1;
print "READY\n";
1 while <STDIN>;
