package console

import (
	"context"
	"fmt"
	"net/url"
)

func (p ReplayPages) askStop(_ context.Context, form url.Values) (Question, error) {
	return Question{
		Text: fmt.Sprintf("Stop job %s?", form.Get("name")), Details: []string{"It can be resumed where it stops."}, Back: jobPath(form.Get("name")),
	}, nil
}

func (p ReplayPages) stop(ctx context.Context, form url.Values) (string, string, error) {
	name := form.Get("name")
	return fmt.Sprintf("Stopped job %s.", name), jobPath(name), p.Stop(ctx, name)
}

func (p ReplayPages) askResume(ctx context.Context, form url.Values) (Question, error) {
	job, err := p.find(ctx, form)
	if err != nil {
		return Question{}, err
	}
	if _, err := options(form); err != nil {
		return Question{}, err
	}
	left := job.Total - min(job.Total, job.Tally.Read)
	return Question{
		Text:    fmt.Sprintf("Resume job %s to %s?", job.Name, job.To),
		Details: []string{fmt.Sprintf("It has %s of %s left to read.", count(left), events(job.Total))}, Back: jobPath(job.Name),
	}, nil
}

func (p ReplayPages) resume(ctx context.Context, form url.Values) (string, string, error) {
	name := form.Get("name")
	o, err := options(form)
	if err == nil {
		err = p.Resume(ctx, name, o)
	}
	return fmt.Sprintf("Resumed job %s.", name), jobPath(name), err
}

func (p ReplayPages) askDelete(ctx context.Context, form url.Values) (Question, error) {
	job, err := p.find(ctx, form)
	if err != nil {
		return Question{}, err
	}
	q := Question{Text: fmt.Sprintf("Delete job %s?", job.Name), Permanent: true, Back: jobPath(job.Name)}
	if job.Runs() {
		q.Details = append(q.Details, "It is stopped.")
	}
	if job.Endpoint {
		q.Details = append(q.Details, fmt.Sprintf("The %s that it has posted stay where they are.", events(job.Tally.Events)))
	} else {
		q.Text = fmt.Sprintf("Delete job %s with the %s that it has published?", job.Name, events(job.Tally.Events))
		q.Details = append(q.Details, fmt.Sprintf("What is on %s is removed. The live events stay.", job.To))
	}
	return q, nil
}

func (p ReplayPages) delete(ctx context.Context, form url.Values) (string, string, error) {
	removed, err := p.Delete(ctx, form.Get("name"))
	text := fmt.Sprintf("Deleted job %s.", form.Get("name"))
	if removed > 0 {
		text = fmt.Sprintf("Deleted job %s with %s that it had published.", form.Get("name"), events(removed))
	}
	return text, "/console/replays", err
}
