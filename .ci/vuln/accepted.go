package main

import "time"

// exception is why a vulnerability that a program reaches does no harm, and when somebody has to look again.
type exception struct {
	Until  time.Time
	Reason string
}

// accepted are the exceptions, by the ID in the Go vulnerability database.
var accepted = map[string]exception{
	"GO-2026-6872": {day(2027, time.March, 1), "fixed in echo v4.16.3, says its changelog; the database knows the fix in v5 alone. The bridge does not ask Echo for the client's address"},
	"GO-2026-6875": {day(2027, time.March, 1), "fixed in echo v4.16.3, says its changelog; the database knows the fix in v5 alone. The bridge does not use Echo's proxy"},
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
