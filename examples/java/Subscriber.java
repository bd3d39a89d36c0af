import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.DSYNC;
import static java.nio.file.StandardOpenOption.WRITE;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Prints the changes of orders, each once and in their order: java Subscriber.java NAMESRV TOPIC GROUP JOURNAL
 *
 * <p>NAMESRV is the address of a name server, such as 127.0.0.1:9876. JOURNAL is a file; it stands for the database of
 * a real subscriber, which stores an event's effect and its id in one transaction.
 */
public class Subscriber {
    private static final Gson JSON = new Gson();

    private final Set<String> seen = new HashSet<>();
    /** By order: the statuses that were handled. */
    private final Map<String, List<String>> histories = new HashMap<>();
    /** By order: by version, the changes that wait for an earlier one. */
    private final Map<String, Map<Integer, JsonObject>> waiting = new HashMap<>();
    private final Path journal;

    Subscriber(Path journal) throws IOException {
        this.journal = journal;
        if (Files.exists(journal)) {
            String stored = Files.readString(journal);
            // After a crash the last line may be incomplete. Its event was not acknowledged, and the line is cut off in
            // place: whole ones must never be missing, not even for a moment.
            String whole = stored.substring(0, stored.lastIndexOf('\n') + 1);
            try (FileChannel file = FileChannel.open(journal, WRITE)) {
                file.truncate(whole.getBytes(UTF_8).length).force(true);
            }
            whole.lines().forEach(line -> remember(JSON.fromJson(line, JsonObject.class)));
        }
    }

    /** Returns the changes whose turn it is: none while an earlier one is missing. */
    private List<JsonObject> remember(JsonObject change) {
        seen.add(change.get("event_id").getAsString());
        String order = change.get("order_id").getAsString();
        List<String> history = histories.computeIfAbsent(order, key -> new ArrayList<>());
        Map<Integer, JsonObject> later = waiting.computeIfAbsent(order, key -> new HashMap<>());
        later.put(change.get("aggregate_version").getAsInt(), change);
        List<JsonObject> changes = new ArrayList<>();
        // Events are delivered in any order. An order's versions count its changes from 1, without a gap.
        for (JsonObject next; (next = later.remove(history.size() + 1)) != null; ) {
            history.add(next.get("status").getAsString());
            next.add("history", JSON.toJsonTree(history));
            changes.add(next);
        }
        return changes;
    }

    /** Stores an event and prints the changes whose turn it is. The client has many threads. */
    synchronized void handle(byte[] body) throws IOException {
        JsonObject event = JSON.fromJson(new String(body, UTF_8), JsonObject.class);
        // Added members don't raise the schema's version, and are ignored here.
        if (!event.get("specversion").getAsString().equals("1.0") || event.get("schemaversion").getAsInt() != 1) {
            throw new IOException("not a version that this program reads: " + event.get("schemaversion"));
        }
        // Each event is delivered at least once, and has the same id each time.
        if (seen.contains(event.get("id").getAsString())) {
            return;
        }
        JsonObject change = new JsonObject();
        change.add("event_id", event.get("id"));
        change.add("type", event.get("type"));
        for (String name : List.of("order_id", "aggregate_version", "status")) {
            if (!event.getAsJsonObject("data").has(name)) {
                throw new IOException("event " + event.get("id").getAsString() + " has no " + name);
            }
            change.add(name, event.getAsJsonObject("data").get(name));
        }
        // The write reaches the disk before the event is acknowledged.
        Files.writeString(journal, change + "\n", CREATE, APPEND, DSYNC);
        List<JsonObject> changes = remember(change);
        if (changes.isEmpty()) {
            System.err.println("event " + event.get("id").getAsString() + " waits for an earlier one of its order");
        }
        changes.forEach(System.out::println);
    }

    /** Success is the acknowledgement: it is returned only after the effect is stored. */
    ConsumeConcurrentlyStatus consume(List<MessageExt> messages) {
        for (MessageExt message : messages) {
            try {
                handle(message.getBody());
            } catch (IOException | RuntimeException error) {
                // It is delivered again later, and in the end it is a dead letter of the group.
                System.err.println("message " + message.getMsgId() + ": " + error);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        }
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    public static void main(String[] args) throws Exception {
        Subscriber subscriber = new Subscriber(Path.of(args[3]));
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args[2]);
        consumer.setNamesrvAddr(args[0]);
        // Where a group begins that has never consumed: with the oldest message that is still there.
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(args[1], "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> subscriber.consume(messages));
        // On SIGTERM and Ctrl-C. The client's own threads keep the program alive until then.
        consumer.setAwaitTerminationMillisWhenShutdown(5_000);
        Runtime.getRuntime().addShutdownHook(new Thread(consumer::shutdown));
        consumer.start();
    }
}
