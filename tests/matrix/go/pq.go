package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
)

func code(err error) string {
	if err, ok := err.(*pq.Error); ok {
		return string(err.Code)
	}
	return fmt.Sprint(err)
}

func pqChecks() {
	driver("lib/pq", "golang-github-lib-pq-dev")
	// It reads the rest from the environment.
	db, err := sql.Open("postgres", "")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(8)
	exec := func(text string, values ...interface{}) error {
		_, err := db.Exec(text, values...)
		return err
	}

	check("connect", func() error {
		var name string
		return first(db.QueryRow("SELECT current_database()").Scan(&name), same("shop", name),
			exec("DROP TABLE IF EXISTS matrix_pq; CREATE TABLE matrix_pq (id int PRIMARY KEY, word text)"))
	})

	check("query", func() error {
		var (
			n       int64
			word    string
			number  string
			float   float64
			yes     bool
			nothing *string
			bytes   []byte
			numbers []int64
			at      time.Time
		)
		moment := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
		err := db.QueryRow("SELECT $1::bigint, $2::text, $3::numeric, $4::float8, $5::bool, $6::text, $7::bytea, $8::bigint[], $9::timestamptz",
			1<<40, "grüße, 世界", "3.1400", 2.5, true, nil, []byte("\x00\xff\\'"), pq.Array([]int64{1, 3}), moment).
			Scan(&n, &word, &number, &float, &yes, &nothing, &bytes, pq.Array(&numbers), &at)
		return first(err, same([]interface{}{int64(1 << 40), "grüße, 世界", "3.1400", 2.5, true, (*string)(nil), []byte("\x00\xff\\'"), []int64{1, 3}},
			[]interface{}{n, word, number, float, yes, nothing, bytes, numbers}), same(true, at.Equal(moment)))
	})

	check("prepared", func() error {
		add, err := db.Prepare("SELECT $1::int + 1")
		if err != nil {
			return err
		}
		defer add.Close()
		for n := 0; n < 20; n++ {
			var sum int
			if err := first(add.QueryRow(n).Scan(&sum), same(n+1, sum)); err != nil {
				return err
			}
		}
		return nil
	})

	// Several statements in one text give several results; many connections at a time.
	check("batch", func() error {
		answer, err := db.Query("SELECT 1; SELECT 2")
		if err != nil {
			return err
		}
		defer answer.Close()
		var got []int
		for more := true; more; more = answer.NextResultSet() {
			for answer.Next() {
				var n int
				if err := answer.Scan(&n); err != nil {
					return err
				}
				got = append(got, n)
			}
		}
		errs := make(chan error, 100)
		for n := 0; n < 100; n++ {
			go func(n int) {
				var double int
				errs <- first(db.QueryRow("SELECT $1::int * 2", n).Scan(&double), same(2*n, double))
			}(n)
		}
		for n := 0; n < 100; n++ {
			err = first(err, <-errs)
		}
		return first(err, same([]int{1, 2}, got))
	})

	check("copy", func() error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		in, err := tx.Prepare(pq.CopyIn("matrix_pq", "id", "word"))
		if err != nil {
			return err
		}
		for _, pair := range copied() {
			if _, err := in.Exec(pair.id, pair.word); err != nil {
				return err
			}
		}
		if _, err = in.Exec(); err != nil {
			return err
		}
		if err := first(in.Close(), tx.Commit()); err != nil {
			return err
		}
		answer, err := db.Query("SELECT * FROM matrix_pq ORDER BY id")
		if err != nil {
			return err
		}
		all, err := pairs(answer)
		return first(err, same(copied(), all))
	})

	check("large", func() error {
		answer, err := db.Query(rowsSQL)
		if err != nil {
			return err
		}
		defer answer.Close()
		var cell string
		return first(areRows(answer), db.QueryRow(largeCellSQL).Scan(&cell), same(largeCell, cell))
	})

	check("transaction", func() error {
		gone, err := db.Begin()
		if err != nil {
			return err
		}
		_, err = gone.Exec("TRUNCATE matrix_pq; INSERT INTO matrix_pq VALUES (1, 'gone')")
		err = first(err, gone.Rollback(), exec("TRUNCATE matrix_pq"))
		stays, begun := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		if first(err, begun) != nil {
			return first(err, begun)
		}
		_, err = stays.Exec("INSERT INTO matrix_pq VALUES ($1, $2)", 2, "stays")
		err = first(err, stays.Commit())
		var id int
		return first(err, db.QueryRow("SELECT id FROM matrix_pq").Scan(&id), same(2, id))
	})

	check("error", func() error {
		err := exec("INSERT INTO orders (id) VALUES ($1)", 1)
		if problem, ok := err.(*pq.Error); !ok || problem.Constraint != "orders_pkey" {
			return fmt.Errorf("not the constraint: %v", err)
		}
		tx, begun := db.Begin()
		if begun != nil {
			return begun
		}
		defer tx.Rollback()
		_, divided := tx.Exec("SELECT 1 / $1::int", 0)
		_, after := tx.Exec("SELECT 1")
		return same([]string{"23505", "22012", "25P02"}, []string{code(err), code(divided), code(after)})
	})

	check("cancel", func() error {
		began := time.Now()
		connection, err := db.Conn(context.Background())
		if err != nil {
			return err
		}
		defer connection.Close()
		soon, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer stop()
		_, err = connection.ExecContext(soon, "SELECT pg_sleep(60)")
		return first(same("57014", code(err)), within(20, began), exec("SELECT 1"))
	})

	check("notify", func() error {
		listener := pq.NewListener("", time.Second, time.Minute, nil)
		defer listener.Close()
		if err := first(listener.Listen("matrix"), exec("SELECT pg_notify('matrix', 'hello there')")); err != nil {
			return err
		}
		select {
		case heard := <-listener.Notify:
			return same([]string{"matrix", "hello there"}, []string{heard.Channel, heard.Extra})
		case <-time.After(20 * time.Second):
			return fmt.Errorf("nothing heard")
		}
	})

	check("masked", func() error {
		var mail string
		return first(db.QueryRow("SELECT email FROM customers WHERE id = $1", 1).Scan(&mail), same(email, mail))
	})

	_ = exec("DROP TABLE matrix_pq")
}
