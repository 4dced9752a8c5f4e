//! sqlx.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{TryStreamExt as _, future::join_all};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqlStr, Statement as _,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgSslMode},
    query, query_scalar, raw_sql,
};
use std::time::{Duration, Instant};
use weir_matrix::{
    Digest, LARGE_CELL_SQL, ROWS_SQL, check, copied, copied_as_text, large_cell, over_tls, same, variable,
};

fn options() -> Result<PgConnectOptions> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&variable("PGHOST"))
        .port(variable("PGPORT").parse()?)
        .username(&variable("PGUSER"))
        .password(&variable("PGPASSWORD"))
        .database(&variable("PGDATABASE"));
    Ok(if over_tls() {
        options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(variable("PGSSLROOTCERT"))
    } else {
        options.ssl_mode(PgSslMode::Disable)
    })
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    println!("driver sqlx {}", weir_matrix::version("sqlx"));
    let connection = &mut PgConnection::connect_with(&options()?).await?;
    raw_sql("DROP TABLE IF EXISTS matrix_sqlx; CREATE TABLE matrix_sqlx (id int PRIMARY KEY, word text)")
        .execute(&mut *connection)
        .await?;
    check("connect", connect(connection)).await;
    check("query", query_values(connection)).await;
    check("prepared", prepared(connection)).await;
    check("batch", batch(connection)).await;
    check("copy", copy(connection)).await;
    check("large", large(connection)).await;
    check("transaction", transaction(connection)).await;
    check("error", error(connection)).await;
    check("cancel", cancel(connection)).await;
    check("notify", notify(connection)).await;
    check("masked", masked(connection)).await;
    connection.execute("DROP TABLE matrix_sqlx").await?;
    Ok(())
}

async fn connect(connection: &mut PgConnection) -> Result<()> {
    let name: String = query_scalar("SELECT current_database()::text").fetch_one(connection).await?;
    same(&"shop", &name.as_str())
}

async fn query_values(connection: &mut PgConnection) -> Result<()> {
    let (numbers, bytes) = (vec![Some(1), None, Some(3)], b"\x00\xff\\'".to_vec());
    let row = query("SELECT $1::int, $2::bigint, $3::text, $4::float8, $5::bool, $6::text, $7::bytea, $8::int[]")
        .bind(7)
        .bind(1_i64 << 40)
        .bind("grüße, 世界")
        .bind(2.5)
        .bind(true)
        .bind(None::<String>)
        .bind(&bytes)
        .bind(&numbers)
        .fetch_one(&mut *connection)
        .await?;
    same(&(7, 1_i64 << 40, "grüße, 世界", 2.5), &(row.get(0), row.get(1), row.get(2), row.get(3)))?;
    same(&(true, None::<String>, bytes, numbers), &(row.get(4), row.get(5), row.get(6), row.get(7)))?;
    let both = raw_sql("SELECT 1; SELECT 2").fetch_all(&mut *connection).await?;
    same(&vec![1, 2], &both.iter().map(|row| row.get(0)).collect())?;
    let described = connection.prepare(SqlStr::from_static("SELECT id, word FROM matrix_sqlx WHERE id = $1")).await?;
    same(&2, &described.columns().len())
}

async fn prepared(connection: &mut PgConnection) -> Result<()> {
    for n in 0..20 {
        let sum: i32 = query_scalar("SELECT $1::int + 1").bind(n).fetch_one(&mut *connection).await?;
        same(&(n + 1), &sum)?;
    }
    connection.clear_cached_statements().await?;
    Ok(())
}

/// Rows by arrays; many connections at a time.
async fn batch(connection: &mut PgConnection) -> Result<()> {
    let ids: Vec<i32> = (5000..5500).collect();
    let done = query("INSERT INTO matrix_sqlx SELECT n, 'many' FROM unnest($1::int[]) n")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    same(&500, &done.rows_affected())?;
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options()?).await?;
    let doubles = join_all((0..100).map(|n| query_scalar("SELECT $1::int * 2").bind(n).fetch_one(&pool))).await;
    same(&(0..100).map(|n| n * 2).collect::<Vec<i32>>(), &doubles.into_iter().collect::<sqlx::Result<_>>()?)?;
    pool.close().await;
    query("DELETE FROM matrix_sqlx WHERE word = 'many'").execute(connection).await?;
    Ok(())
}

async fn copy(connection: &mut PgConnection) -> Result<()> {
    let mut sink = connection.copy_in_raw("COPY matrix_sqlx FROM STDIN").await?;
    for part in copied_as_text().as_bytes().chunks(700) {
        sink.send(part).await?;
    }
    same(&1000, &sink.finish().await?)?;
    let rows = query("SELECT * FROM matrix_sqlx ORDER BY id").fetch_all(&mut *connection).await?;
    same(&copied(), &rows.iter().map(|row| (row.get(0), row.get(1))).collect())?;
    let out = connection.copy_out_raw("COPY (SELECT * FROM matrix_sqlx ORDER BY id) TO STDOUT").await?;
    let parts: Vec<_> = out.try_collect().await?;
    same(&copied_as_text(), &String::from_utf8(parts.concat())?)?;
    let mut broken = connection.copy_in_raw("COPY matrix_sqlx FROM STDIN").await?;
    broken.send(&b"5000\tnever\n"[..]).await?;
    broken.abort("enough").await?;
    let count: i64 = query_scalar("SELECT count(*) FROM matrix_sqlx").fetch_one(connection).await?;
    same(&1000, &count)
}

async fn large(connection: &mut PgConnection) -> Result<()> {
    let mut digest = Digest::default();
    let mut rows = query(ROWS_SQL).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        digest.add(row.get(0));
    }
    drop(rows);
    digest.is_rows()?;
    same(&large_cell(), &query_scalar(LARGE_CELL_SQL).fetch_one(connection).await?)
}

async fn transaction(connection: &mut PgConnection) -> Result<()> {
    connection.execute("TRUNCATE matrix_sqlx").await?;
    let mut outer = connection.begin().await?;
    outer.execute("INSERT INTO matrix_sqlx VALUES (1, 'gone')").await?;
    outer.rollback().await?;
    let mut outer = connection.begin().await?;
    outer.execute("INSERT INTO matrix_sqlx VALUES (2, 'stays')").await?;
    let mut inner = outer.begin().await?;
    inner.execute("INSERT INTO matrix_sqlx VALUES (3, 'gone')").await?;
    // Dropped, it rolls back with the next statement.
    drop(inner);
    outer.commit().await?;
    same(&vec![2], &query_scalar("SELECT id FROM matrix_sqlx").fetch_all(connection).await?)
}

fn code<T>(result: sqlx::Result<T>) -> Option<String> {
    result.err()?.as_database_error()?.code().map(Into::into)
}

async fn error(connection: &mut PgConnection) -> Result<()> {
    let Err(problem) = query("INSERT INTO orders (id) VALUES ($1)").bind(1).execute(&mut *connection).await else {
        bail!("no error")
    };
    same(&Some("orders_pkey"), &problem.as_database_error().context("not the server's")?.constraint())?;
    same(&Some("23505".to_owned()), &code::<()>(Err(problem)))?;
    let mut transaction = connection.begin().await?;
    same(&Some("22012".to_owned()), &code(query("SELECT 1 / $1::int").bind(0).fetch_one(&mut *transaction).await))?;
    same(&Some("25P02".to_owned()), &code(query("SELECT 1").fetch_one(&mut *transaction).await))?;
    transaction.rollback().await?;
    same(&1, &query_scalar("SELECT 1").fetch_one(connection).await?)
}

/// The driver has no call for it: another session asks the server to.
async fn cancel(connection: &mut PgConnection) -> Result<()> {
    let began = Instant::now();
    let pid: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let text = format!("SELECT pg_cancel_backend({pid})");
        let done: bool =
            query_scalar(AssertSqlSafe(text)).fetch_one(&mut PgConnection::connect_with(&options()?).await?).await?;
        anyhow::Ok(done)
    };
    let (slept, cancelled) = tokio::join!(query("SELECT pg_sleep(60)").execute(&mut *connection), cancel);
    same(&(true, Some("57014".to_owned())), &(cancelled?, code(slept)))?;
    ensure!(began.elapsed() < Duration::from_secs(20), "too late");
    same(&1, &query_scalar("SELECT 1").fetch_one(connection).await?)
}

async fn notify(connection: &mut PgConnection) -> Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options()?).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("matrix").await?;
    query("SELECT pg_notify('matrix', 'hello there')").execute(connection).await?;
    let heard = listener.recv().await?;
    same(&("matrix", "hello there"), &(heard.channel(), heard.payload()))
}

async fn masked(connection: &mut PgConnection) -> Result<()> {
    let email: String = query_scalar("SELECT email FROM customers WHERE id = $1").bind(1).fetch_one(connection).await?;
    same(&variable("MATRIX_EMAIL"), &email)
}
