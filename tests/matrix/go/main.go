// The Go drivers that Debian packages: `matrix pq` runs the checks with lib/pq, `matrix pgx` with pgx.
package main

import (
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"
)

const (
	rows         = 200000
	rowsSQL      = "SELECT 'row ' || n FROM generate_series(1, 200000) n"
	largeCellSQL = "SELECT repeat('weir ', 400000)"
)

var (
	largeCell = strings.Repeat("weir ", 400000)
	// What the first customer's address is to look like: as it is, or masked.
	email = os.Getenv("MATRIX_EMAIL")
)

type notAvailable string

func (why notAvailable) Error() string { return string(why) }

func check(name string, run func() error) {
	err := run()
	var why notAvailable
	switch {
	case err == nil:
		fmt.Println(name, "ok")
	case errors.As(err, &why):
		fmt.Println(name, "n/a:", why)
	default:
		fmt.Println(name, "fail:", strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

func same(expected, actual interface{}) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("expected %.200v, got %.200v", expected, actual)
	}
	return nil
}

// first is the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type pair struct {
	id   int32
	word *string
}

// What COPY carries: everything that its text format escapes.
func copied() (pairs []pair) {
	for n := int32(1); n <= 1000; n++ {
		word := fmt.Sprintf("tab\there, line\nbreak, backslash \\, grüße %d", n)
		if n%3 == 0 {
			pairs = append(pairs, pair{n, nil})
		} else {
			pairs = append(pairs, pair{n, &word})
		}
	}
	return
}

// scanner is the rows of both drivers.
type scanner interface {
	Next() bool
	Scan(...interface{}) error
	Err() error
}

// areRows compares with what rowsSQL answers.
func areRows(answer scanner) error {
	expected, actual, number := md5.New(), md5.New(), 0
	for answer.Next() {
		var word string
		if err := answer.Scan(&word); err != nil {
			return err
		}
		number++
		fmt.Fprintln(expected, "row", number)
		fmt.Fprintln(actual, word)
	}
	return first(answer.Err(), same(rows, number), same(expected.Sum(nil), actual.Sum(nil)))
}

func pairs(answer scanner) (all []pair, err error) {
	for answer.Next() {
		var one pair
		if err = answer.Scan(&one.id, &one.word); err != nil {
			return
		}
		all = append(all, one)
	}
	return all, answer.Err()
}

func within(seconds float64, began time.Time) error {
	if time.Since(began).Seconds() > seconds {
		return errors.New("too late")
	}
	return nil
}

// driver prints the version of the driver's Debian package.
func driver(name, pkg string) {
	version, _ := exec.Command("dpkg-query", "-W", "-f", "${source:Upstream-Version}", pkg).Output()
	fmt.Println("driver", name, string(version))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "pq" {
		pqChecks()
	} else {
		pgxChecks()
	}
}
