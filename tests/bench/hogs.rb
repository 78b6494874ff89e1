# hogs.rb - bench_hogs.c's `sleep` and `serve` in Ruby, of one kind of hog
#
#     hogs.rb sleep HOGS COUNT | serve HOGS
require "socket"

NAP = 0.005
MOST = 1.5
FIRST = 2

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

def hog
  value = 1
  loop { value = (value * 3 + 1) % 1_000_003 }
end

def sleeper(count, took)
  FIRST.times { sleep(NAP) }
  limit = now + MOST
  while took.size < count && now < limit
    start = now
    sleep(NAP)
    took << (now - start) * 1e6
  end
end

def report(took)
  took.sort!
  figures = { "mean" => took.sum / took.size, "p50" => took[took.size / 2],
              "p99" => took[took.size * 99 / 100] }
  { "slept" => 0, "late" => NAP * 1e6 }.each do |name, less|
    figures.each { |key, value| puts format("%s_%s_us %.1f", name, key, value - less) }
  end
  puts "count #{took.size}"
  $stdout.flush
end

def echo(connection)
  connection.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  loop { connection.write(connection.readpartial(256)) }
rescue EOFError, SystemCallError
  connection.close
end

def serve
  listener = TCPServer.new("127.0.0.1", 0)
  puts "port #{listener.addr[1]}"
  $stdout.flush
  loop { Thread.new(listener.accept) { |connection| echo(connection) } }
end

verb, hogs, count = ARGV
hogs.to_i.times { Thread.new { hog } }
serve if verb == "serve"
took = []
Thread.new { sleeper(count.to_i, took) }.join
report(took)
