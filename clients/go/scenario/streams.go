package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

const (
	streamed = 1000
	broken   = 500
)

func (s *scenario) watch(ctx context.Context) error {
	// Cancelling the context ends the stream.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	events, err := s.client.Retrieval.WatchArticles(ctx, &copydeskv1.WatchArticlesRequest{
		Start: &copydeskv1.WatchArticlesRequest_ChangeToken{ChangeToken: s.newest().GetChangeToken()},
	})
	if err != nil {
		return err
	}
	for {
		event, err := events.Recv()
		if err != nil {
			return err
		}
		change := event.GetChange()
		if change == nil && s.page.GetRevision() == 1 {
			if err := s.correct(ctx); err != nil {
				return err
			}
		}
		if change != nil && change.GetName() == s.page.GetName() {
			fmt.Printf("07 watch %v revision=%d headline=\"%s\"\n",
				change.GetKind(), change.GetRevision(), change.GetArticle().GetHeadline())
			return nil
		}
	}
}

func (s *scenario) correct(ctx context.Context) error {
	updated, err := s.client.Editorial.UpdateArticle(ctx, &copydeskv1.UpdateArticleRequest{
		// Rejected with ETAG_MISMATCH if another client changed the article since it was read.
		Article:    &copydeskv1.Article{Name: s.page.GetName(), Etag: s.page.GetEtag(), Headline: "Ferry fares to fall in May"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"headline"}},
		Reason:     "The month was missing.",
	})
	if err != nil {
		return err
	}
	s.page = updated.GetArticle()
	return nil
}

func (s *scenario) stream(ctx context.Context) error {
	// The sender must end on any error.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.client.Ingestion.IngestArticles(ctx)
	if err != nil {
		return err
	}
	go func() {
		for sequence := range int64(streamed) {
			// Blocks while the stream accepts no more. Recv returns the error.
			if stream.Send(story(sequence)) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	created, inOrder := 0, true
	var refused []string
	for at := int64(0); ; at++ {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		inOrder = inOrder && answer.GetSequence() == at
		if wrong := answer.GetError(); wrong != nil {
			reason := copydesk.ProblemIn(status.FromProto(wrong)).Reason
			refused = append(refused, fmt.Sprintf("%d:%s", answer.GetSequence(), reason))
		} else if outcomeOf(answer.GetIngested()) == copydeskv1.IngestOutcome_INGEST_OUTCOME_CREATED {
			created++
		}
	}
	fmt.Printf("08 stream sent=%d created=%d refused=%s in-order=%s\n",
		streamed, created, strings.Join(refused, ","), yes(inOrder))
	return nil
}

func story(sequence int64) *copydeskv1.IngestArticlesRequest {
	paragraph := "The harbour of Port Ellery has a story for every boat that lies in it."
	article := &copydeskv1.Article{
		Headline: fmt.Sprintf("Story %d of the harbour", sequence),
		Body:     strings.TrimSuffix(strings.Repeat(paragraph+"\n\n", 70), "\n\n"),
	}
	if sequence == broken {
		article.LanguageCode = "no language"
	}
	return &copydeskv1.IngestArticlesRequest{
		Sequence: sequence,
		Request: &copydeskv1.IngestArticleRequest{
			Document: &copydeskv1.Document{
				Payload:    &copydeskv1.Document_Article{Article: article},
				Source:     "stories.example",
				ExternalId: fmt.Sprintf("story-%d", sequence),
			},
			RequestId: fmt.Sprintf("scenario-story-%d", sequence),
		},
		Brief: true,
	}
}

// outcomeOf returns the outcome of a document that is one article.
func outcomeOf(response *copydeskv1.IngestArticleResponse) copydeskv1.IngestOutcome {
	for _, result := range response.GetResults() {
		return result.GetIngested().GetOutcome()
	}
	return copydeskv1.IngestOutcome_INGEST_OUTCOME_UNSPECIFIED
}

func (s *scenario) export(ctx context.Context) error {
	sources := []string{"ellery-herald.example", "stories.example", "tidewire.example"}
	request := &copydeskv1.ExportArticlesRequest{
		Filter:   &copydeskv1.ArticleFilter{Sources: &copydeskv1.StringCondition{AnyOf: sources}},
		ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
	}
	names := map[string]bool{}
	progress, err := s.exportUntilProgress(ctx, request, names)
	if err != nil {
		return err
	}
	// Any replica continues from the token, in the same snapshot.
	request.ExportToken = progress.GetExportToken()
	responses, err := s.client.Retrieval.ExportArticles(ctx, request)
	if err != nil {
		return err
	}
	var summary *copydeskv1.ExportSummary
	for summary == nil {
		response, err := responses.Recv()
		if err != nil {
			return err
		}
		if article := response.GetArticle(); article != nil {
			names[article.GetName()] = true
		}
		// The last message.
		summary = response.GetSummary()
	}
	same := summary.GetArticleCount() == int64(len(names))
	fmt.Printf("21 export articles=%d same-count=%s\n", len(names), yes(same))
	return nil
}

// exportUntilProgress adds the names before the first progress that has articles before it, and returns that progress.
func (s *scenario) exportUntilProgress(
	ctx context.Context, request *copydeskv1.ExportArticlesRequest, names map[string]bool,
) (*copydeskv1.ExportProgress, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	responses, err := s.client.Retrieval.ExportArticles(ctx, request)
	if err != nil {
		return nil, err
	}
	for {
		response, err := responses.Recv()
		if err != nil {
			return nil, err
		}
		if article := response.GetArticle(); article != nil {
			names[article.GetName()] = true
		}
		if progress := response.GetProgress(); progress.GetArticleCount() > 0 {
			return progress, nil
		}
	}
}

func (s *scenario) deadline(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	events, err := s.client.Retrieval.WatchArticles(ctx, &copydeskv1.WatchArticlesRequest{})
	for err == nil {
		_, err = events.Recv()
	}
	fmt.Printf("11 deadline %s\n", copydesk.ProblemOf(err).Code)
	return nil
}

func (s *scenario) cancel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	events, err := s.client.Retrieval.WatchArticles(ctx, &copydeskv1.WatchArticlesRequest{})
	if err != nil {
		return err
	}
	first, err := events.Recv()
	if err != nil {
		return err
	}
	cancel()
	if _, err = events.Recv(); err == nil {
		return errExpected
	}
	kind := "change"
	if first.GetCheckpoint() != nil {
		kind = "checkpoint"
	}
	fmt.Printf("12 cancel %s after=%s\n", copydesk.ProblemOf(err).Code, kind)
	return nil
}
