package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"
)

// actionTimeout bounds a change; some call a CRM's API.
const actionTimeout = 2 * time.Minute

// act makes a change, once the operator has confirmed it.
func (c *Console) act(w http.ResponseWriter, r *http.Request, s *session, page Page, action Action) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(actionTimeout + 10*time.Second))
	form := url.Values{}
	for name, values := range r.PostForm {
		if name != csrfField && name != confirmField {
			form[name] = values
		}
	}
	if action.Ask != nil && r.PostForm.Get(confirmField) == "" {
		question, err := action.Ask(ctx, form)
		if err != nil {
			c.render(w, r, s, http.StatusBadRequest, view{Title: page.Title, Template: "problem", Menu: page.menu(), Problem: sentence(err)})
			return
		}
		c.render(w, r, s, http.StatusOK, view{
			Title: action.Label, Template: "confirm", Menu: page.menu(), Data: confirmation{question, action.Label, r.URL.Path, cmp.Or(question.Back, page.url()), form},
		})
		return
	}
	shown, done, back, err := action.make(ctx, form)
	if err != nil {
		c.Log.Warn("a change by the console failed", "change", r.URL.Path, "error", err)
		c.render(w, r, s, http.StatusBadGateway, view{Title: page.Title, Template: "problem", Menu: page.menu(), Problem: sentence(err)})
		return
	}
	c.Log.Info("changed by the console", "change", r.URL.Path)
	if action.Show != nil {
		v := view{Title: shown.Title, Template: shown.Template, Menu: page.menu(), From: shown.From, Data: shown.Data}
		if shown.From != "" {
			v.Every = int(page.Every.Seconds())
		}
		c.render(w, r, s, http.StatusOK, v)
		return
	}
	s.tell(done)
	http.Redirect(w, r, cmp.Or(back, page.url()), http.StatusSeeOther)
}

// make makes the change.
func (a Action) make(ctx context.Context, form url.Values) (shown Shown, done, back string, err error) {
	if a.Show != nil {
		shown, err = a.Show(ctx, form)
		return shown, "", "", err
	}
	done, back, err = a.Do(ctx, form)
	return Shown{}, done, back, err
}

// confirmation is what the page confirm shows: Form is posted again with the answer.
type confirmation struct {
	Question
	Label, Action, Cancel string
	Form                  url.Values
}
