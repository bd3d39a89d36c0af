import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.sql.*;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.*;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/**
 * Prints the changes of orders, each once and in their order.
 *
 * <p>{@code java Subscriber.java NAMESRV TOPIC GROUP DATABASE}: NAMESRV is the address of a name
 * server, such as 127.0.0.1:9876, and DATABASE a file of SQLite.
 */
class Subscriber {
    static final String TABLE = """
        CREATE TABLE IF NOT EXISTS changes (event_id TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL,
        order_id TEXT NOT NULL, aggregate_version INTEGER NOT NULL, status TEXT NOT NULL,
        handled INTEGER NOT NULL DEFAULT 0, UNIQUE (order_id, aggregate_version)) STRICT""";
    // Each event is delivered at least once, with the same id each time.
    static final String INSERT = "INSERT INTO changes VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (event_id) DO NOTHING";
    // They come in any order. An order's versions count its changes from 1, without a gap.
    static final String NEXT = """
        UPDATE changes SET handled = 1 WHERE order_id = ?1
        AND aggregate_version = 1 + (SELECT count(*) FROM changes WHERE order_id = ?1 AND handled)
        RETURNING json_object('event_id', event_id, 'type', type, 'order_id', order_id,
        'aggregate_version', aggregate_version, 'status', status)""";

    /** Synchronized, because the client has many threads, and a transaction is for one. */
    static synchronized void handle(Connection database, String body) throws SQLException {
        JsonObject event = JsonParser.parseString(body).getAsJsonObject();
        // Added members don't raise the schema's version, and are ignored here.
        if (!event.get("specversion").getAsString().equals("1.0") || event.get("schemaversion").getAsInt() != 1) {
            throw new IllegalArgumentException("not a version that this program reads: " + event.get("schemaversion"));
        }
        JsonObject order = event.getAsJsonObject("data");
        var row = List.of(event.get("id"), event.get("type"),
            order.get("order_id"), order.get("aggregate_version"), order.get("status"));
        List<String> changes = new ArrayList<>();
        // One transaction: a kill at any point loses and doubles nothing. The database decides.
        try (var insert = database.prepareStatement(INSERT); var next = database.prepareStatement(NEXT)) {
            for (int column = 0; column < row.size(); column++) {
                insert.setString(column + 1, row.get(column).getAsString());
            }
            boolean isNew = insert.executeUpdate() > 0;
            next.setString(1, order.get("order_id").getAsString());
            for (ResultSet change; (change = next.executeQuery()).next(); ) {
                changes.add(change.getString(1)); // What is done about a change belongs here.
            }
            database.commit();
            if (isNew && changes.isEmpty()) {
                System.err.println("event " + event.get("id").getAsString() + " waits for an earlier one of its order");
            }
        } finally {
            database.rollback(); // After the commit it does nothing.
        }
        // Not in the transaction: after a kill before this, a change is handled and not printed.
        changes.forEach(System.out::println);
    }

    public static void main(String[] args) throws Exception {
        Connection database = DriverManager.getConnection("jdbc:sqlite:" + args[3]);
        database.createStatement().execute(TABLE);
        database.setAutoCommit(false);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args[2]);
        consumer.setNamesrvAddr(args[0]);
        // A group that has never consumed begins with the oldest message that is still there.
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(args[1], "*");
        // It gets one message at a time. Success, after the commit, is the acknowledgement.
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            try {
                handle(database, new String(messages.get(0).getBody(), UTF_8));
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            } catch (SQLException | RuntimeException error) {
                // It is delivered again later, and in the end it is a dead letter of the group.
                System.err.println("message " + messages.get(0).getMsgId() + ": " + error);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        });
        consumer.start();
    }
}
