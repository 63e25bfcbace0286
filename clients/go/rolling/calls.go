package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

const (
	// articles is how many of articles/rolling-0, … there are to read.
	articles = 200
	// streamed is how many documents one stream brings.
	streamed = 20
	// As the service config says of single calls.
	attempts = 4
	backoff  = 100 * time.Millisecond
	// What callers wait for.
	readDeadline  = 2 * time.Second
	writeDeadline = 5 * time.Second
	// A watch that says nothing for so long is given up: checkpoints come every 5 seconds.
	silence = 8 * time.Second
	// How long the last changes are waited for.
	patience = time.Minute
)

// caller is one that calls again and again.
type caller struct {
	client *copydesk.Client
	told   *report
	// going ends when calls are to end. Those under way are not cancelled.
	going context.Context
}

func (c *caller) goesOn() bool {
	time.Sleep(pause)
	return c.going.Err() == nil
}

func (c *caller) read(number int) {
	name := func(at int) string { return fmt.Sprintf("articles/rolling-%d", at%articles) }
	for at := number * 31; c.goesOn(); at++ {
		ctx, cancel := context.WithTimeout(context.Background(), readDeadline)
		switch at % 10 {
		case 0:
			names := make([]string, 10)
			for i := range names {
				names[i] = name(at + i)
			}
			_, err := c.client.Retrieval.BatchGetArticles(ctx, &copydeskv1.BatchGetArticlesRequest{Names: names})
			c.told.ended("BatchGetArticles", err)
		case 1:
			_, err := c.client.Retrieval.ListArticles(ctx, &copydeskv1.ListArticlesRequest{PageSize: 10, ReadMask: mask("headline")})
			c.told.ended("ListArticles", err)
		default:
			_, err := c.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{Name: name(at)})
			c.told.ended("GetArticle", err)
		}
		cancel()
	}
}

func (c *caller) write(number int) {
	for edition := 1; c.goesOn(); edition++ {
		id := fmt.Sprintf("go-%d-%d", number, edition%50)
		ctx, cancel := context.WithTimeout(context.Background(), writeDeadline)
		_, err := c.client.Ingestion.IngestArticle(ctx, &copydeskv1.IngestArticleRequest{
			Document: document(id, edition), RequestId: fmt.Sprintf("%s@%d", id, edition),
		})
		cancel()
		c.told.ended("IngestArticle", err)
	}
}

func (c *caller) stream() {
	for edition := 1; c.goesOn(); edition++ {
		c.told.ended("IngestArticles", c.streamOnce(edition))
		time.Sleep(10 * pause)
	}
}

// streamOnce ends when every document is answered. Those that are not when a stream ends with UNAVAILABLE are sent again, with their
// request IDs, as often as the channel would try a call.
func (c *caller) streamOnce(edition int) error {
	open := map[int64]bool{}
	for sequence := range int64(streamed) {
		open[sequence] = true
	}
	for attempt := 1; ; attempt++ {
		err := c.streamOpen(edition, open)
		if attempt == attempts || status.Code(err) != codes.Unavailable {
			return err
		}
		c.told.tell(map[string]any{"resent": true})
		time.Sleep(backoff)
	}
}

func (c *caller) streamOpen(edition int, open map[int64]bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeDeadline)
	defer cancel()
	stream, err := c.client.Ingestion.IngestArticles(ctx)
	if err != nil {
		return err
	}
	for sequence := range open {
		id := fmt.Sprintf("go-streamed-%d", sequence)
		err := stream.Send(&copydeskv1.IngestArticlesRequest{
			Sequence: sequence, Brief: true, Request: &copydeskv1.IngestArticleRequest{
				Document: document(id, edition), RequestId: fmt.Sprintf("%s@%d", id, edition),
			},
		})
		if errors.Is(err, io.EOF) {
			// It has ended; Recv says how.
			break
		}
		if err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if refused := answer.GetError(); refused != nil {
			return status.ErrorProto(refused)
		}
		delete(open, answer.GetSequence())
	}
	if len(open) > 0 {
		return status.Errorf(codes.DataLoss, "%d of %d documents were not answered", len(open), streamed)
	}
	return nil
}

// watch follows the feed from its beginning, in order, and resumes by token wherever a stream breaks.
func (c *caller) watch(committed <-chan int) {
	w := &watcher{caller: c, revisions: map[string]int64{}, committed: -1}
	deadline := time.Time{}
	for !w.through() && (deadline.IsZero() || time.Now().Before(deadline)) {
		err := w.follow(committed)
		if w.committed >= 0 && deadline.IsZero() {
			deadline = time.Now().Add(patience)
		}
		if w.through() {
			break
		}
		if fatal(err) {
			c.told.ended("WatchArticles", err)
			break
		}
		w.resumed++
		time.Sleep(20 * time.Millisecond)
	}
	missed := max(w.committed-w.changes, w.changes-w.committed)
	c.told.tell(map[string]any{"watched": map[string]int{"changes": w.changes, "gaps": w.gaps + missed, "resumed": w.resumed}})
}

// watcher is what a watch has seen.
type watcher struct {
	*caller
	token                  string
	changes, gaps, resumed int
	// revisions are the newest that were told, by article: each change makes the next.
	revisions map[string]int64
	// committed is how many changes there are; less than 0 before it is known.
	committed int
}

func (w *watcher) through() bool { return w.committed >= 0 && w.changes >= w.committed }

func (w *watcher) follow(committed <-chan int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request := &copydeskv1.WatchArticlesRequest{ReadMask: mask("headline")}
	if w.token == "" {
		request.Start = &copydeskv1.WatchArticlesRequest_Beginning{Beginning: true}
	} else {
		request.Start = &copydeskv1.WatchArticlesRequest_ChangeToken{ChangeToken: w.token}
	}
	events, err := w.client.Retrieval.WatchArticles(ctx, request)
	if err != nil {
		w.told.ended("WatchArticles", err)
		return err
	}
	received := make(chan *copydeskv1.WatchArticlesResponse)
	broken := make(chan error, 1)
	go func() {
		for {
			event, err := events.Recv()
			if err != nil {
				broken <- err
				return
			}
			select {
			case received <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	first := true
	for {
		select {
		case event := <-received:
			if first {
				w.told.ended("WatchArticles", nil)
				first = false
			}
			w.seen(event)
		case number := <-committed:
			w.committed = number
		case err := <-broken:
			if first {
				// The channel has tried it again, and it did not begin.
				w.told.ended("WatchArticles", err)
			}
			return err
		case <-time.After(silence):
			return status.Error(codes.Unavailable, "it is silent")
		}
		if w.through() {
			return nil
		}
	}
}

func (w *watcher) seen(event *copydeskv1.WatchArticlesResponse) {
	change := event.GetChange()
	if change == nil {
		w.token = event.GetCheckpoint().GetChangeToken()
		return
	}
	w.token = change.GetChangeToken()
	w.changes++
	if change.GetRevision() != w.revisions[change.GetName()]+1 {
		w.gaps++
	}
	w.revisions[change.GetName()] = change.GetRevision()
}

func document(id string, edition int) *copydeskv1.Document {
	return &copydeskv1.Document{
		ArticleId: id,
		Payload: &copydeskv1.Document_Article{Article: &copydeskv1.Article{
			Source: "rolling.example", LanguageCode: "en", Headline: fmt.Sprintf("Ferry sails again, edition %d", edition),
			Body: "The ferry to Lowmouth sails again on Thursday, the harbour board said.",
		}},
	}
}

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }
