package rest

// Halve calls do with ids, and where its error says that they are too many for one request, with each half of them, down to one id: the
// error of one alone is put into refused. It returns the first other error.
func Halve(ids []string, refused map[string]error, tooMany func(error) bool, do func(ids []string) error) error {
	err := do(ids)
	switch {
	case err == nil || !tooMany(err):
		return err
	case len(ids) == 1:
		refused[ids[0]] = err
		return nil
	}
	half := len(ids) / 2
	if err := Halve(ids[:half], refused, tooMany, do); err != nil {
		return err
	}
	return Halve(ids[half:], refused, tooMany, do)
}
