import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/** Asks a PostgreSQL, again for each line that comes, and lets pgjdbc show what goes wrong. */
public final class Ask {
    public static void main(String[] words) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        try (Connection visit = DriverManager.getConnection(words[0]); Statement statement = visit.createStatement()) {
            do {
                ask(statement, words[1]);
            } while (lines.readLine() != null);
        }
    }

    private static void ask(Statement statement, String sql) throws Exception {
        try (ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            var row = new StringBuilder(rows.getString(1));
            for (int column = 2; column <= rows.getMetaData().getColumnCount(); column++) {
                row.append('|').append(rows.getString(column));
            }
            System.out.println(row);
        }
    }
}
