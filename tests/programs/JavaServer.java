// The JDK's HTTP server with a thread for each request.  Prints the port that
// the kernel chose.  GET /sleep waits 100 ms.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class JavaServer {
    static void answer(HttpExchange request) throws java.io.IOException {
        byte[] body = "Hello, World!\n".getBytes();

        request.sendResponseHeaders(200, body.length);
        request.getResponseBody().write(body);
        request.close();
    }

    public static void main(String[] args) throws Exception {
        HttpServer server =
            HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 4096);

        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", JavaServer::answer);
        server.createContext("/sleep", request -> {
            try {
                Thread.sleep(100);
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
            answer(request);
        });
        server.start();
        System.out.println(server.getAddress().getPort());
    }
}
