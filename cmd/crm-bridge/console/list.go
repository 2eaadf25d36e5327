package console

import (
	"net/url"
	"strconv"
)

// rowsAtOnce bounds the rows of a list on one page.
const rowsAtOnce = 50

// narrow returns the named fields of a form, or parameters of a URL, that are set: they say which rows a list shows.
func narrow(form url.Values, names ...string) url.Values {
	by := url.Values{}
	for _, name := range names {
		if value := form.Get(name); value != "" {
			by.Set(name, value)
		}
	}
	return by
}

// leaves reports whether a list that is narrowed shows a row with a value.
func leaves(by url.Values, name, value string) bool { return !by.Has(name) || by.Get(name) == value }

// listPath returns the path and query of a list that is narrowed.
func listPath(page string, by url.Values) string {
	if len(by) == 0 {
		return "/console/" + page
	}
	return "/console/" + page + "?" + by.Encode()
}

// paged returns the rows of a list from the one on that the parameter from names, and the path of those behind them; empty: there are none.
func paged[T any](all []T, page string, query, by url.Values) (rows []T, next string) {
	from, err := strconv.Atoi(query.Get("from"))
	if err != nil || from < 0 {
		from = 0
	}
	all = all[min(from, len(all)):]
	if len(all) <= rowsAtOnce {
		return all, ""
	}
	more := url.Values{"from": {strconv.Itoa(from + rowsAtOnce)}}
	for name, values := range by {
		more[name] = values
	}
	return all[:rowsAtOnce], listPath(page, more)
}
