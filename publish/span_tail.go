package publish

import "context"

// Tail returns where to begin to read the last messages of the span up to a sequence: at most so many, and at least half of that where
// the span has them. It counts at the server and reads no message. Of a stream with n sequences it asks about 2 log₂ n times.
func (s *Span) Tail(ctx context.Context, end, most uint64) (from uint64, err error) {
	end = min(end, s.Last)
	behind, err := s.pending(ctx, end+1) // first: what is stored meanwhile makes the count of what is before larger, never smaller
	if err != nil {
		return 0, err
	}
	least := (most + 1) / 2
	few, many := end+1, s.First // so far: from few on there are too few, from many on too many
	guess := s.First
	for step := most; ; step *= 4 {
		all, err := s.pending(ctx, guess)
		if err != nil {
			return 0, err
		}
		switch n := all - min(all, behind); {
		case n > most:
			many = guess
		case n >= least || guess == s.First:
			return guess, nil
		default:
			few = guess
		}
		if few-many <= 1 { // a moment ago it was otherwise: messages have left the stream
			return few, nil
		}
		if guess = many + (few-many)/2; few > many+step {
			guess = max(guess, few-step)
		}
	}
}
