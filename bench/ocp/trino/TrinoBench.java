import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/**
 * TrinoBench server            starts Trino's own io.trino.server.Server (reads -Dconfig=...)
 * TrinoBench ping URL          returns once a query with a worker stage is answered ("No nodes available" for a while after the start)
 * TrinoBench sql URL FILE [-v k=v]... [--pg JDBCURL TABLE]
 *                         runs the statements of FILE (split at lines that end in ';'), prints the time of each;
 *                         with --pg the last statement's rows go into TABLE by COPY (text) in one transaction.
 */
public class TrinoBench
{
    public static void main(String[] a)
            throws Exception
    {
        if (a[0].equals("server")) {
            new io.trino.server.Server().start("435");
            return;
        }
        if (a[0].equals("ping")) {
            for (int i = 0; i < 600; i++) {
                try (Connection c = DriverManager.getConnection(a[1], "bench", null); Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT count(*), sum(x * random()) FROM (VALUES 1, 2) t(x)")) {
                    r.next();
                    return;
                }
                catch (java.sql.SQLException e) {
                    Thread.sleep(100);
                }
            }
            System.exit(1);
        }
        String text = Files.readString(Path.of(a[2]));
        String pg = null, table = null;
        for (int i = 3; i < a.length; i++) {
            if (a[i].equals("-v")) {
                String[] kv = a[++i].split("=", 2);
                text = text.replace("${" + kv[0] + "}", kv[1]);
            }
            else if (a[i].equals("--pg")) {
                pg = a[++i];
                table = a[++i];
            }
        }
        List<String> stmts = new ArrayList<>();
        StringBuilder sb = new StringBuilder();
        for (String line : text.split("\n")) {
            if (line.startsWith("--")) {
                continue;
            }
            if (line.endsWith(";")) {
                stmts.add(sb.append(line, 0, line.length() - 1).toString());
                sb.setLength(0);
            }
            else {
                sb.append(line).append('\n');
            }
        }
        if (!sb.toString().isBlank()) {
            stmts.add(sb.toString());
        }
        long t0 = System.nanoTime();
        try (Connection c = DriverManager.getConnection(a[1], "bench", null); Statement s = c.createStatement()) {
            for (int i = 0; i < stmts.size(); i++) {
                long t = System.nanoTime();
                boolean rs = s.execute(stmts.get(i));
                long n = 0;
                if (!rs) {
                    n = s.getLargeUpdateCount();
                }
                else if (pg != null && i == stmts.size() - 1) {
                    n = copy(s.getResultSet(), pg, table);
                }
                else {
                    n = print(s.getResultSet());
                }
                String head = stmts.get(i).strip().replaceAll("\\s+", " ");
                System.err.printf("%8.3f s  %9d rows  %s%n", (System.nanoTime() - t) / 1e9, n, head.substring(0, Math.min(70, head.length())));
            }
        }
        System.err.printf("%8.3f s  all%n", (System.nanoTime() - t0) / 1e9);
    }

    private static long print(ResultSet r)
            throws Exception
    {
        long n = 0;
        int k = r.getMetaData().getColumnCount();
        StringBuilder out = new StringBuilder();
        while (r.next()) {
            for (int i = 1; i <= k; i++) {
                out.append(i > 1 ? "\t" : "").append(r.getString(i));
            }
            out.append('\n');
            n++;
        }
        System.out.print(out);
        return n;
    }

    private static long copy(ResultSet r, String url, String table)
            throws Exception
    {
        ResultSetMetaData m = r.getMetaData();
        int k = m.getColumnCount();
        StringBuilder cols = new StringBuilder();
        for (int i = 1; i <= k; i++) {
            cols.append(i > 1 ? "," : "").append(m.getColumnName(i));
        }
        long n = 0;
        try (Connection c = DriverManager.getConnection(url)) {
            c.setAutoCommit(false);
            var in = new org.postgresql.copy.CopyManager(c.unwrap(org.postgresql.core.BaseConnection.class)).copyIn("COPY " + table + " (" + cols + ") FROM STDIN");
            StringBuilder b = new StringBuilder();
            while (r.next()) {
                for (int i = 1; i <= k; i++) {
                    String v = r.getString(i);
                    if (i > 1) {
                        b.append('\t');
                    }
                    if (v == null) {
                        b.append("\\N");
                        continue;
                    }
                    for (int j = 0; j < v.length(); j++) {
                        char ch = v.charAt(j);
                        switch (ch) {
                            case '\\' -> b.append("\\\\");
                            case '\t' -> b.append("\\t");
                            case '\n' -> b.append("\\n");
                            case '\r' -> b.append("\\r");
                            default -> b.append(ch);
                        }
                    }
                }
                b.append('\n');
                n++;
                if (b.length() > 1 << 18) {
                    byte[] bytes = b.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
                    in.writeToCopy(bytes, 0, bytes.length);
                    b.setLength(0);
                }
            }
            byte[] bytes = b.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
            in.writeToCopy(bytes, 0, bytes.length);
            in.endCopy();
            c.commit();
        }
        return n;
    }
}
