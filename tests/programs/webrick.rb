# webrick, a Ruby thread for each connection.  Prints the port that the kernel
# chose.  GET /sleep waits 100 ms; POST /echo gives back its body.  SIGUSR1 has a
# handler.
require 'webrick'

# RequestTimeout counts from the last answer: held connections are idle long.
server = WEBrick::HTTPServer.new(
  BindAddress: '127.0.0.1', Port: 0, MaxClients: 10_000, RequestTimeout: 300,
  Logger: WEBrick::Log.new(File::NULL), AccessLog: []
)

def answer(response)
  response['Content-Type'] = 'text/plain'
  response.body = "Hello, World!\n"
  # Garbage for the collector, so that it looks at every thread's stack.
  10.times { 'x' * 1000 }
end

server.mount_proc('/') { |_request, response| answer(response) }
server.mount_proc('/sleep') do |_request, response|
  sleep 0.1
  GC.start if rand < 0.1
  answer(response)
end

server.mount_proc('/echo') do |request, response|
  response['Content-Type'] = 'application/octet-stream'
  response.body = request.body || ''
end

Signal.trap('USR1') {}
puts server.listeners[0].addr[1]
$stdout.flush
server.start
