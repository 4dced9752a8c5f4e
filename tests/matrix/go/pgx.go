package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

func sqlState(err error) string {
	var problem *pgconn.PgError
	if errors.As(err, &problem) {
		return problem.Code
	}
	return fmt.Sprint(err)
}

func pgxChecks() {
	driver("pgx", "golang-github-jackc-pgx-v4-dev")
	background := context.Background()
	// It reads the rest from the environment.
	db, err := pgx.Connect(background, "")
	if err != nil {
		panic(err)
	}
	exec := func(text string, values ...interface{}) error {
		_, err := db.Exec(background, text, values...)
		return err
	}

	check("connect", func() error {
		var name string
		return first(db.QueryRow(background, "SELECT current_database()").Scan(&name), same("shop", name),
			exec("DROP TABLE IF EXISTS matrix_pgx; CREATE TABLE matrix_pgx (id int PRIMARY KEY, word text)"))
	})

	check("query", func() error {
		for _, simple := range []bool{false, true} {
			var (
				n       int64
				word    string
				float   float64
				yes     bool
				nothing *string
				bytes   []byte
				numbers []int32
				at      time.Time
			)
			moment := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
			err := db.QueryRow(background, "SELECT $1::bigint, $2::text, $3::float8, $4::bool, $5::text, $6::bytea, $7::int[], $8::timestamptz",
				pgx.QuerySimpleProtocol(simple), int64(1<<40), "grüße, 世界", 2.5, true, nil, []byte("\x00\xff\\'"), []int32{1, 3}, moment).
				Scan(&n, &word, &float, &yes, &nothing, &bytes, &numbers, &at)
			err = first(err, same([]interface{}{int64(1 << 40), "grüße, 世界", 2.5, true, (*string)(nil), []byte("\x00\xff\\'"), []int32{1, 3}},
				[]interface{}{n, word, float, yes, nothing, bytes, numbers}), same(true, at.Equal(moment)))
			if err != nil {
				return err
			}
		}
		return nil
	})

	check("prepared", func() error {
		if _, err := db.Prepare(background, "add", "SELECT $1::int + 1"); err != nil {
			return err
		}
		for n := 0; n < 20; n++ {
			var sum int
			if err := first(db.QueryRow(background, "add", n).Scan(&sum), same(n+1, sum)); err != nil {
				return err
			}
		}
		return db.Deallocate(background, "add")
	})

	check("batch", func() error {
		batch := &pgx.Batch{}
		for n := 0; n < 500; n++ {
			batch.Queue("SELECT $1::int * 2", n)
		}
		answers := db.SendBatch(background, batch)
		defer answers.Close()
		for n := 0; n < 500; n++ {
			var double int
			if err := first(answers.QueryRow().Scan(&double), same(2*n, double)); err != nil {
				return err
			}
		}
		return nil
	})

	check("copy", func() error {
		all := copied()
		number, err := db.CopyFrom(background, pgx.Identifier{"matrix_pgx"}, []string{"id", "word"}, pgx.CopyFromSlice(len(all),
			func(n int) ([]interface{}, error) { return []interface{}{all[n].id, all[n].word}, nil }))
		if err := first(err, same(int64(1000), number)); err != nil {
			return err
		}
		answer, err := db.Query(background, "SELECT * FROM matrix_pgx ORDER BY id")
		if err != nil {
			return err
		}
		got, err := pairs(answer)
		if err := first(err, same(all, got)); err != nil {
			return err
		}
		var text, again bytes.Buffer
		out := "COPY (SELECT * FROM matrix_pgx ORDER BY id) TO STDOUT"
		_, err = db.PgConn().CopyTo(background, &text, out)
		err = first(err, exec("TRUNCATE matrix_pgx"))
		_, back := db.PgConn().CopyFrom(background, bytes.NewReader(text.Bytes()), "COPY matrix_pgx FROM STDIN")
		_, once := db.PgConn().CopyTo(background, &again, out)
		return first(err, back, once, same(1000, bytes.Count(text.Bytes(), []byte("\n"))), same(text.String(), again.String()))
	})

	check("large", func() error {
		answer, err := db.Query(background, rowsSQL)
		if err != nil {
			return err
		}
		err = areRows(answer)
		answer.Close()
		var cell string
		return first(err, db.QueryRow(background, largeCellSQL).Scan(&cell), same(largeCell, cell))
	})

	check("transaction", func() error {
		if err := exec("TRUNCATE matrix_pgx"); err != nil {
			return err
		}
		back := errors.New("back")
		err := db.BeginFunc(background, func(tx pgx.Tx) error {
			return first(exec("INSERT INTO matrix_pgx VALUES (1, 'gone')"), back)
		})
		if err != back {
			return err
		}
		err = db.BeginFunc(background, func(tx pgx.Tx) error {
			inner := tx.BeginFunc(background, func(pgx.Tx) error { return first(exec("INSERT INTO matrix_pgx VALUES (3, 'gone')"), back) })
			return first(exec("INSERT INTO matrix_pgx VALUES ($1, $2)", 2, "stays"), same(back, inner))
		})
		var id int
		return first(err, db.QueryRow(background, "SELECT id FROM matrix_pgx").Scan(&id), same(2, id))
	})

	check("error", func() error {
		unique := exec("INSERT INTO orders (id) VALUES ($1)", 1)
		tx, err := db.Begin(background)
		if err != nil {
			return err
		}
		divided, after := exec("SELECT 1 / $1::int", 0), exec("SELECT 1")
		err = tx.Rollback(background)
		return first(err, same([]string{"23505", "22012", "25P02"}, []string{sqlState(unique), sqlState(divided), sqlState(after)}), exec("SELECT 1"))
	})

	check("cancel", func() error {
		began := time.Now()
		go func() {
			time.Sleep(500 * time.Millisecond)
			_ = db.PgConn().CancelRequest(background)
		}()
		return first(same("57014", sqlState(exec("SELECT pg_sleep(60)"))), within(20, began), exec("SELECT 1"))
	})

	check("notify", func() error {
		other, err := pgx.Connect(background, "")
		if err != nil {
			return err
		}
		defer other.Close(background)
		err = exec("LISTEN matrix")
		_, notified := other.Exec(background, "SELECT pg_notify('matrix', 'hello there')")
		if first(err, notified) != nil {
			return first(err, notified)
		}
		soon, stop := context.WithTimeout(background, 20*time.Second)
		defer stop()
		heard, err := db.WaitForNotification(soon)
		if err != nil {
			return err
		}
		return same([]string{"matrix", "hello there"}, []string{heard.Channel, heard.Payload})
	})

	check("masked", func() error {
		var mail string
		return first(db.QueryRow(background, "SELECT email FROM customers WHERE id = $1", 1).Scan(&mail), same(email, mail))
	})

	_ = exec("DROP TABLE matrix_pgx")
	_ = db.Close(background)
}
