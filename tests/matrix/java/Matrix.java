// The PostgreSQL JDBC driver.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.*;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public class Matrix {
  static final int ROWS = 200_000;
  static final String ROWS_SQL = "SELECT 'row ' || n FROM generate_series(1, 200000) n";
  static Connection db;
  static Statement statement;

  interface Check {
    void run() throws Exception;
  }

  static void check(String name, Check check) {
    try {
      check.run();
      System.out.println(name + " ok");
    } catch (Throwable error) {
      var at = Arrays.stream(error.getStackTrace()).filter(frame -> frame.getClassName().equals("Matrix") && !frame.getMethodName().equals("same"));
      System.out.println(name + " fail: line " + at.findFirst().map(StackTraceElement::getLineNumber).orElse(0) + ": " + error.toString().replace('\n', ' '));
    }
  }

  static void same(Object expected, Object actual) {
    if (!Objects.deepEquals(expected, actual)) {
      throw new AssertionError("expected %.200s, got %.200s".formatted(expected, actual));
    }
  }

  static String variable(String name) {
    return System.getenv().getOrDefault(name, "");
  }

  static Connection open(String... more) throws SQLException {
    var how = new Properties();
    how.setProperty("user", variable("PGUSER"));
    how.setProperty("password", variable("PGPASSWORD"));
    how.setProperty("sslmode", variable("PGSSLMODE"));
    how.setProperty("sslrootcert", variable("PGSSLROOTCERT"));
    for (int n = 0; n < more.length; n += 2) how.setProperty(more[n], more[n + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + variable("PGHOST") + ":" + variable("PGPORT") + "/" + variable("PGDATABASE"), how);
  }

  static String one(String sql) throws SQLException {
    try (var answer = statement.executeQuery(sql)) {
      answer.next();
      return answer.getString(1);
    }
  }

  static String state(Check check) throws Exception {
    try {
      check.run();
    } catch (SQLException error) {
      return error.getSQLState();
    }
    throw new AssertionError("no error");
  }

  static String copied() {
    var text = new StringBuilder();
    for (int n = 1; n <= 1000; n++) {
      text.append(n).append('\t').append(n % 3 == 0 ? "\\N" : "tab\\there, line\\nbreak, backslash \\\\, grüße " + n).append('\n');
    }
    return text.toString();
  }

  static void areRows(ResultSet answer) throws Exception {
    var expected = MessageDigest.getInstance("MD5");
    var actual = MessageDigest.getInstance("MD5");
    int number = 0;
    while (answer.next()) {
      number++;
      expected.update(("row " + number + "\n").getBytes());
      actual.update((answer.getString(1) + "\n").getBytes());
    }
    same(ROWS, number);
    same(expected.digest(), actual.digest());
  }

  public static void main(String[] arguments) throws Exception {
    var version = DriverManager.getDriver("jdbc:postgresql:").getClass().getPackage().getImplementationVersion();
    System.out.println("driver pgjdbc " + (version == null ? org.postgresql.util.DriverInfo.DRIVER_VERSION : version));
    db = open();
    statement = db.createStatement();
    statement.execute("DROP TABLE IF EXISTS matrix_jdbc; CREATE TABLE matrix_jdbc (id int PRIMARY KEY, word text)");

    check("connect", () -> same("shop", one("SELECT current_database()")));

    check("query", () -> {
      try (var query = db.prepareStatement("SELECT ?::int, ?::bigint, ?::text, ?::numeric, ?::float8, ?::bool, ?::text, ?::bytea, ?::timestamptz, ?::int[]")) {
        var at = OffsetDateTime.of(2026, 11, 26, 12, 0, 0, 0, ZoneOffset.UTC);
        var bytes = new byte[] {0, (byte) 0xff, '\\', '\''};
        var values = new Object[] {7, 1L << 40, "grüße, 世界", new BigDecimal("3.1400"), 2.5, true, null, bytes, at};
        for (int n = 0; n < values.length; n++) {
          if (values[n] == null) query.setNull(n + 1, Types.VARCHAR);
          else query.setObject(n + 1, values[n]);
        }
        query.setArray(10, db.createArrayOf("int4", new Integer[] {1, null, 3}));
        // Often enough that the driver turns to prepared statements and binary answers.
        for (int round = 0; round < 8; round++) {
          var row = query.executeQuery();
          row.next();
          for (int n = 0; n < 7; n++) same(values[n], row.getObject(n + 1));
          same(bytes, row.getBytes(8));
          same(true, at.isEqual(row.getObject(9, OffsetDateTime.class)));
          same(new Integer[] {1, null, 3}, row.getArray(10).getArray());
        }
      }
      try (var other = open("preferQueryMode", "simple"); var query = other.prepareStatement("SELECT ?::int, ?::text")) {
        query.setInt(1, 7);
        query.setString(2, "grüße, '世界'");
        var row = query.executeQuery();
        row.next();
        same("7 grüße, '世界'", row.getInt(1) + " " + row.getString(2));
      }
      // What tools ask for.
      try (var columns = db.getMetaData().getColumns(null, "public", "matrix_jdbc", "%")) {
        var names = new ArrayList<String>();
        while (columns.next()) names.add(columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
        same(List.of("id int4", "word text"), names);
      }
      try (var keys = db.getMetaData().getImportedKeys(null, "public", "orders")) {
        same(true, keys.next());
        same("customers", keys.getString("PKTABLE_NAME"));
      }
    });

    check("prepared", () -> {
      try (var add = db.prepareStatement("SELECT ?::int + 1")) {
        add.unwrap(org.postgresql.PGStatement.class).setPrepareThreshold(1);
        for (int n = 0; n < 20; n++) {
          add.setInt(1, n);
          var answer = add.executeQuery();
          answer.next();
          same(n + 1, answer.getInt(1));
        }
      }
    });

    check("batch", () -> {
      for (var rewrite : List.of("false", "true")) {
        try (var other = open("reWriteBatchedInserts", rewrite); var insert = other.prepareStatement("INSERT INTO matrix_jdbc VALUES (?, ?)")) {
          for (int n = 0; n < 500; n++) {
            insert.setInt(1, n);
            insert.setString(2, "word " + n);
            insert.addBatch();
          }
          same(500, insert.executeBatch().length);
          same("500 word 499", one("SELECT count(*) || ' ' || max(word) FILTER (WHERE id = 499) FROM matrix_jdbc"));
          // One that fails takes its batch with it.
          insert.setInt(1, 1000);
          insert.setString(2, "gone");
          insert.addBatch();
          insert.setInt(1, 1);
          insert.addBatch();
          same("23505", state(() -> insert.executeBatch()));
          same("500", one("SELECT count(*) FROM matrix_jdbc"));
          statement.execute("TRUNCATE matrix_jdbc");
        }
      }
      statement.execute("SELECT 1; SELECT 2");
      statement.getMoreResults();
      var second = statement.getResultSet();
      second.next();
      same(2, second.getInt(1));
    });

    check("copy", () -> {
      CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
      same(1000L, copy.copyIn("COPY matrix_jdbc FROM STDIN", new ByteArrayInputStream(copied().getBytes(StandardCharsets.UTF_8))));
      for (var format : List.of("text", "binary")) {
        var out = new ByteArrayOutputStream();
        copy.copyOut("COPY (SELECT * FROM matrix_jdbc ORDER BY id) TO STDOUT (FORMAT " + format + ")", out);
        if (format.equals("text")) same(copied(), out.toString(StandardCharsets.UTF_8));
        statement.execute("TRUNCATE matrix_jdbc");
        same(1000L, copy.copyIn("COPY matrix_jdbc FROM STDIN (FORMAT " + format + ")", new ByteArrayInputStream(out.toByteArray())));
      }
      var broken = copy.copyIn("COPY matrix_jdbc FROM STDIN");
      broken.writeToCopy("5000\tnever\n".getBytes(), 0, 11);
      broken.cancelCopy();
      same("1000", one("SELECT count(*) FROM matrix_jdbc"));
    });

    check("large", () -> {
      db.setAutoCommit(false);
      statement.setFetchSize(5000);
      try (var answer = statement.executeQuery(ROWS_SQL)) {
        areRows(answer);
      }
      db.commit();
      db.setAutoCommit(true);
      statement.setFetchSize(0);
      try (var answer = statement.executeQuery(ROWS_SQL)) {
        areRows(answer);
      }
      same("weir ".repeat(400_000), one("SELECT repeat('weir ', 400000)"));
    });

    check("transaction", () -> {
      statement.execute("TRUNCATE matrix_jdbc");
      db.setAutoCommit(false);
      statement.execute("INSERT INTO matrix_jdbc VALUES (1, 'gone')");
      db.rollback();
      db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      statement.execute("INSERT INTO matrix_jdbc VALUES (2, 'stays')");
      var savepoint = db.setSavepoint();
      statement.execute("INSERT INTO matrix_jdbc VALUES (3, 'gone')");
      db.rollback(savepoint);
      db.commit();
      db.setAutoCommit(true);
      same("2", one("SELECT string_agg(id::text, ',') FROM matrix_jdbc"));
    });

    check("error", () -> {
      try {
        statement.execute("INSERT INTO orders (id) VALUES (1)");
        throw new AssertionError("no error");
      } catch (PSQLException problem) {
        same("23505 orders_pkey", problem.getSQLState() + " " + problem.getServerErrorMessage().getConstraint());
      }
      db.setAutoCommit(false);
      same("22012", state(() -> one("SELECT 1 / 0")));
      same("25P02", state(() -> one("SELECT 1")));
      db.rollback();
      db.setAutoCommit(true);
      same("1", one("SELECT 1"));
    });

    check("cancel", () -> {
      new Timer(true).schedule(new TimerTask() {
        public void run() {
          try {
            statement.cancel();
          } catch (SQLException error) {
            throw new IllegalStateException(error);
          }
        }
      }, 500);
      same("57014", state(() -> one("SELECT pg_sleep(20)")));
      same("1", one("SELECT 1"));
      try (var other = db.createStatement()) {
        other.setQueryTimeout(1);
        same("57014", state(() -> other.execute("SELECT pg_sleep(20)")));
      }
    });

    check("notify", () -> {
      statement.execute("LISTEN matrix");
      try (var other = open(); var sender = other.createStatement()) {
        sender.execute("NOTIFY matrix, 'hello there'");
      }
      var heard = db.unwrap(PGConnection.class).getNotifications(20_000);
      same("matrix hello there", heard[0].getName() + " " + heard[0].getParameter());
    });

    check("masked", () -> same(variable("MATRIX_EMAIL"), one("SELECT email FROM customers WHERE id = 1")));

    statement.execute("DROP TABLE matrix_jdbc");
    db.close();
  }
}
