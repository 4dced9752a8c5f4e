//! Diesel, on libpq.

use anyhow::{Result, bail};
use diesel::{
    connection::SimpleConnection as _,
    pg::{PgConnection, PgRowByRowLoadingMode},
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_query, sql_types,
};
use std::{
    io::Read as _,
    time::{Duration, Instant},
};
use weir_matrix::{Digest, LARGE_CELL_SQL, ROWS_SQL, check, copied, large_cell, not_available, same, variable};

diesel::table! {
    matrix_diesel (id) {
        id -> Integer,
        word -> Nullable<Text>,
    }
}
diesel::table! {
    customers (id) {
        id -> Integer,
        email -> Text,
    }
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = sql_types::Text)]
    word: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::Integer)]
    number: i32,
}

#[derive(Insertable, Queryable, Clone, Debug, PartialEq)]
#[diesel(table_name = matrix_diesel, treat_none_as_default_value = false)]
struct Pair {
    id: i32,
    word: Option<String>,
}

fn pairs() -> Vec<Pair> {
    copied().into_iter().map(|(id, word)| Pair { id, word }).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("driver diesel {}", weir_matrix::version("diesel"));
    // libpq reads the rest from the environment.
    let connection = &mut PgConnection::establish("postgresql://")?;
    connection.batch_execute(
        "DROP TABLE IF EXISTS matrix_diesel; CREATE TABLE matrix_diesel (id int PRIMARY KEY, word text)",
    )?;
    check("connect", async { connect(connection) }).await;
    check("query", async { query(connection) }).await;
    check("prepared", async { prepared(connection) }).await;
    check("batch", async { batch(connection) }).await;
    check("copy", async { copy(connection) }).await;
    check("large", async { large(connection) }).await;
    check("transaction", async { transaction(connection) }).await;
    check("error", async { error(connection) }).await;
    check("cancel", async { cancel(connection) }).await;
    not_available("notify", "the driver hears, but has no call that waits");
    check("masked", async { masked(connection) }).await;
    connection.batch_execute("DROP TABLE matrix_diesel")?;
    Ok(())
}

fn connect(connection: &mut PgConnection) -> Result<()> {
    same(&"shop", &sql_query("SELECT current_database()::text AS word").get_result::<Word>(connection)?.word.as_str())
}

fn query(connection: &mut PgConnection) -> Result<()> {
    use diesel::dsl::select;
    let (numbers, bytes) = (vec![Some(1), None, Some(3)], b"\x00\xff\\'".to_vec());
    let row: (i32, i64, String, f64, bool, Option<String>, Vec<u8>, Vec<Option<i32>>) = select((
        7.into_sql::<sql_types::Integer>(),
        (1_i64 << 40).into_sql::<sql_types::BigInt>(),
        "grüße, 世界".into_sql::<sql_types::Text>(),
        2.5.into_sql::<sql_types::Double>(),
        true.into_sql::<sql_types::Bool>(),
        None::<String>.into_sql::<sql_types::Nullable<sql_types::Text>>(),
        bytes.clone().into_sql::<sql_types::Binary>(),
        numbers.clone().into_sql::<sql_types::Array<sql_types::Nullable<sql_types::Integer>>>(),
    ))
    .get_result(connection)?;
    same(&(7, 1 << 40, "grüße, 世界".to_owned(), 2.5, true, None, bytes, numbers), &row)
}

fn prepared(connection: &mut PgConnection) -> Result<()> {
    for n in 0..20 {
        let found =
            sql_query("SELECT $1 + 1 AS number").bind::<sql_types::Integer, _>(n).get_result::<Number>(connection)?;
        same(&(n + 1), &found.number)?;
    }
    Ok(())
}

fn batch(connection: &mut PgConnection) -> Result<()> {
    let inserted: Vec<Pair> = diesel::insert_into(matrix_diesel::table).values(pairs()).get_results(connection)?;
    same(&pairs(), &inserted)?;
    same(&1000, &diesel::delete(matrix_diesel::table).execute(connection)?)
}

fn copy(connection: &mut PgConnection) -> Result<()> {
    let number = diesel::copy_from(matrix_diesel::table).from_insertable(pairs()).execute(connection)?;
    same(&1000, &number)?;
    same(&pairs(), &matrix_diesel::table.order(matrix_diesel::id).load(connection)?)?;
    let mut text = String::new();
    diesel::copy_to(matrix_diesel::table).load_raw(connection)?.read_to_string(&mut text)?;
    same(&1000, &text.matches('\n').count())?;
    // The driver leaves the last answer to COPY unread, over which what it sends row by row would stumble.
    Ok(connection.batch_execute("SELECT 1")?)
}

fn large(connection: &mut PgConnection) -> Result<()> {
    let mut digest = Digest::default();
    let text = ROWS_SQL.replace(" FROM", " AS word FROM");
    for row in sql_query(text).load_iter::<Word, PgRowByRowLoadingMode>(connection)? {
        digest.add(&row?.word);
    }
    digest.is_rows()?;
    same(&large_cell(), &sql_query(format!("{LARGE_CELL_SQL} AS word")).get_result::<Word>(connection)?.word)
}

fn transaction(connection: &mut PgConnection) -> Result<()> {
    let insert = |connection: &mut PgConnection, id, word: &str| {
        diesel::insert_into(matrix_diesel::table).values(Pair { id, word: Some(word.to_owned()) }).execute(connection)
    };
    diesel::delete(matrix_diesel::table).execute(connection)?;
    let gone = connection.transaction::<(), _, _>(|connection| {
        insert(connection, 1, "gone")?;
        Err(Error::RollbackTransaction)
    });
    same(&Err(Error::RollbackTransaction), &gone)?;
    connection.build_transaction().serializable().run(|connection| {
        insert(connection, 2, "stays")?;
        let _ = connection.transaction::<(), _, _>(|connection| {
            insert(connection, 3, "gone")?;
            Err(Error::RollbackTransaction)
        });
        Ok::<_, Error>(())
    })?;
    same(&vec![2], &matrix_diesel::table.select(matrix_diesel::id).load(connection)?)
}

fn error(connection: &mut PgConnection) -> Result<()> {
    match sql_query("INSERT INTO orders (id) VALUES (1)").execute(connection) {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, about)) => {
            same(&Some("orders_pkey"), &about.constraint_name())?
        }
        other => bail!("{other:?}"),
    }
    let Err(Error::DatabaseError(_, about)) = sql_query("SELECT 1 / 0").execute(connection) else { bail!("no error") };
    same(&"division by zero", &about.message())?;
    same(&1, &sql_query("SELECT 1 AS number").get_result::<Number>(connection)?.number)
}

/// The driver has no call for it: the server ends the statement by itself.
fn cancel(connection: &mut PgConnection) -> Result<()> {
    let began = Instant::now();
    connection.batch_execute("SET statement_timeout = 500")?;
    let Err(Error::DatabaseError(_, about)) = sql_query("SELECT pg_sleep(60)").execute(connection) else {
        bail!("no error")
    };
    same(&"canceling statement due to statement timeout", &about.message())?;
    connection.batch_execute("RESET statement_timeout")?;
    anyhow::ensure!(began.elapsed() < Duration::from_secs(20), "too late");
    same(&1, &sql_query("SELECT 1 AS number").get_result::<Number>(connection)?.number)
}

fn masked(connection: &mut PgConnection) -> Result<()> {
    let email: String = customers::table.find(1).select(customers::email).get_result(connection)?;
    same(&variable("MATRIX_EMAIL"), &email)
}
