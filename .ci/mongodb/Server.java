import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** Serves MongoDB's protocol from memory, on a free port; writes its URL, and ends when it is told to. */
class Server {
    /** It says of itself that it is 5.0, but with the protocol of 4.2, which the current driver refuses. */
    static final MongoVersion FIVE = new MongoVersion() {
        @Override public List<Integer> getVersionArray() { return List.of(5, 0, 0); }
        @Override public int getWireVersion() { return 13; }
    };

    public static void main(String[] args) {
        var server = new MongoServer(new MemoryBackend().version(FIVE));
        server.bind("127.0.0.1", 0);
        System.out.println(server.getConnectionString());
    }
}
