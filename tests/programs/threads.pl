# threads.pl - Perl's interpreter threads: an echo server, a queue, locks.
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
    Listen => 64, ReuseAddr => 1) or die "listen: $!";
my $port = $server->sockport;

my $acceptor = threads->create(sub {
    for (1 .. 20) {
        my $peer = $server->accept or die "accept: $!";
        threads->create(sub {
            while (defined(my $line = <$peer>)) {
                print {$peer} uc $line;
                $peer->flush;
            }
        })->detach;
        close $peer;
    }
});

my @clients = map {
    my $n = $_;
    threads->create(sub {
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
            or return "connect: $!";
        for my $i (1 .. 5) {
            print {$s} "line $i of $n\n";
            $s->flush;
            my $line = <$s>;
            return 'wrong' unless $line eq "LINE $i OF $n\n";
        }
        return 'right';
    });
} 1 .. 20;
my %answers;
$answers{$_->join}++ for @clients;
$acceptor->join;
print join(' ', map { "$_ $answers{$_}" } sort keys %answers), "\n";

my $sum : shared = 0;
my $queue = Thread::Queue->new;
my @workers = map {
    threads->create(sub {
        while (defined(my $n = $queue->dequeue)) {
            lock($sum);
            $sum += $n;
        }
    });
} 1 .. 8;
$queue->enqueue($_) for 1 .. 500;
$queue->end;
$_->join for @workers;
print "sum $sum\n";
