package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

const missing = "articles/no-such-article"

// errExpected is returned if a call succeeds that must fail.
var errExpected = errors.New("the call succeeded; it must fail")

// fresh requires a read at least as fresh as this write, from any replica.
func fresh(article *copydeskv1.Article) *copydeskv1.Consistency {
	token := article.GetChangeToken()
	return &copydeskv1.Consistency{Requirement: &copydeskv1.Consistency_AtLeastAsFresh{AtLeastAsFresh: token}}
}

// fullyConsistent requires a read of everything that is committed.
func fullyConsistent() *copydeskv1.Consistency {
	return &copydeskv1.Consistency{Requirement: &copydeskv1.Consistency_FullyConsistent{FullyConsistent: true}}
}

func (s *scenario) newest() *copydeskv1.Article {
	return s.items[len(s.items)-1]
}

func (s *scenario) ingestPage(ctx context.Context) error {
	html, err := os.ReadFile(filepath.Join(s.data, "page.html"))
	if err != nil {
		return err
	}
	response, err := s.client.Ingestion.IngestArticle(ctx, &copydeskv1.IngestArticleRequest{
		Document: &copydeskv1.Document{
			Payload: &copydeskv1.Document_Html{Html: string(html)},
			Url:     "https://ellery-herald.example/ferry-fares?utm_source=scenario",
		},
		// The request ID makes retries safe: a repeated call returns the first response.
		RequestId: "scenario-page",
	})
	if err != nil {
		return err
	}
	// A page has one result.
	done := response.GetResults()[0].GetIngested()
	s.page = done.GetArticle()
	var cuts []string
	for _, cut := range done.GetReport().GetCuts() {
		cuts = append(cuts, cut.GetReason().String())
	}
	fmt.Printf("01 ingest-page %v headline=\"%s\" place=\"%s\" cuts=%s\n",
		done.GetOutcome(), s.page.GetHeadline(), s.page.GetDateline().GetPlace(), strings.Join(cuts, ","))
	return nil
}

func (s *scenario) ingestFeed(ctx context.Context) error {
	data, err := os.ReadFile(filepath.Join(s.data, "feed.rss"))
	if err != nil {
		return err
	}
	feed, err := s.client.Ingestion.IngestArticle(ctx, &copydeskv1.IngestArticleRequest{
		Document: &copydeskv1.Document{
			Payload: &copydeskv1.Document_Raw{Raw: &copydeskv1.RawPayload{Data: data, MimeType: "application/rss+xml"}},
			Source:  "tidewire.example",
		},
		RequestId: "scenario-feed",
	})
	if err != nil {
		return err
	}
	created := 0
	for _, item := range feed.GetResults() {
		if ingested := item.GetIngested(); ingested != nil {
			s.items = append(s.items, ingested.GetArticle())
			if ingested.GetOutcome() == copydeskv1.IngestOutcome_INGEST_OUTCOME_CREATED {
				created++
			}
		}
	}
	fmt.Printf("01 ingest-feed items=%d created=%d\n", len(feed.GetResults()), created)
	return nil
}

func (s *scenario) get(ctx context.Context) error {
	var header metadata.MD
	got, err := s.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{
		Name:        s.page.GetName(),
		Consistency: fullyConsistent(),
	}, grpc.Header(&header))
	if err != nil {
		return err
	}
	paragraphs := strings.Split(got.GetArticle().GetBody(), "\n\n")
	fmt.Printf("02 get revision=%d paragraphs=%d answered-by=%s\n",
		got.GetArticle().GetRevision(), len(paragraphs), strings.Join(header.Get("copydesk-cache"), ","))
	return nil
}

func (s *scenario) getByToken(ctx context.Context) error {
	request := &copydeskv1.GetArticleRequest{Name: s.page.GetName(), Consistency: fresh(s.page)}
	got, err := s.other.Retrieval.GetArticle(ctx, request)
	if err != nil {
		return err
	}
	same := got.GetArticle().GetContentDigest() == s.page.GetContentDigest()
	fmt.Printf("03 get-by-token revision=%d same-text=%s\n", got.GetArticle().GetRevision(), yes(same))
	return nil
}

func (s *scenario) batch(ctx context.Context) error {
	batch, err := s.client.Retrieval.BatchGetArticles(ctx, &copydeskv1.BatchGetArticlesRequest{
		Names:       []string{s.newest().GetName(), missing, s.page.GetName()},
		ReadMask:    &fieldmaskpb.FieldMask{Paths: []string{"name", "headline"}},
		Consistency: fresh(s.newest()),
	})
	if err != nil {
		return err
	}
	var found []string
	for _, article := range batch.GetArticles() {
		found = append(found, `"`+article.GetHeadline()+`"`)
	}
	var absent []string
	for _, it := range batch.GetNotFound() {
		absent = append(absent, it.GetName())
	}
	fmt.Printf("04 batch found=%s missing=%s\n", strings.Join(found, ","), strings.Join(absent, ","))
	return nil
}

func (s *scenario) list(ctx context.Context) error {
	request := &copydeskv1.ListArticlesRequest{
		PageSize: 3,
		Filter: &copydeskv1.ArticleFilter{
			Sources: &copydeskv1.StringCondition{AnyOf: []string{"tidewire.example"}},
		},
		ReadMask:    &fieldmaskpb.FieldMask{Paths: []string{"headline"}},
		Consistency: fresh(s.newest()),
	}
	var headlines []string
	pages := 0
	for {
		page, err := s.client.Retrieval.ListArticles(ctx, request)
		if err != nil {
			return err
		}
		for _, article := range page.GetArticles() {
			headlines = append(headlines, article.GetHeadline())
		}
		pages++
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	fmt.Printf("05 list pages=%d articles=%d first=\"%s\" last=\"%s\"\n",
		pages, len(headlines), headlines[0], headlines[len(headlines)-1])
	return nil
}

func (s *scenario) search(ctx context.Context) error {
	found, err := s.client.Retrieval.SearchArticles(ctx, &copydeskv1.SearchArticlesRequest{
		Query:            `"northern channel" winter -sport`,
		IncludeTotalSize: true,
		Consistency:      fresh(s.newest()),
	})
	if err != nil {
		return err
	}
	best := found.GetResults()[0]
	var matched []string
	for _, part := range best.GetSnippet() {
		if part.GetMatched() {
			matched = append(matched, `"`+part.GetText()+`"`)
		}
	}
	fmt.Printf("06 search results=%d total=%d headline=\"%s\" matched=%s\n", len(found.GetResults()),
		found.GetTotalSize(), best.GetArticle().GetHeadline(), strings.Join(matched, ","))
	return nil
}

func (s *scenario) validation(ctx context.Context) error {
	_, err := s.client.Retrieval.ListArticles(ctx, &copydeskv1.ListArticlesRequest{PageSize: -1, OrderBy: "colour"})
	if err == nil {
		return errExpected
	}
	problem := copydesk.ProblemOf(err)
	fmt.Printf("09 validation %s reason=%s fields=%s\n", problem.Code, problem.Reason, strings.Join(problem.Fields, ","))
	return nil
}

func (s *scenario) notFound(ctx context.Context) error {
	_, err := s.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{Name: missing})
	if err == nil {
		return errExpected
	}
	never := copydesk.ProblemOf(err)
	fmt.Printf("10 never-there %s reason=%s resource=%s\n", never.Code, never.Reason, never.Resource)

	name := s.items[0].GetName()
	withdrawn, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{Name: name, Reason: "A mistake."})
	if err != nil {
		return err
	}
	request := &copydeskv1.GetArticleRequest{Name: name, Consistency: fresh(withdrawn.GetArticle())}
	if _, err = s.client.Retrieval.GetArticle(ctx, request); err == nil {
		return errExpected
	}
	gone := copydesk.ProblemOf(err)
	fmt.Printf("10 withdrawn %s reason=%s resource=%s\n", gone.Code, gone.Reason, gone.Resource)
	return nil
}

func (s *scenario) older(ctx context.Context) error {
	article := &copydeskv1.Article{
		Headline:         "Lock gates to be renewed",
		Body:             "The gates of the Lowmouth lock will be renewed in the summer.",
		SourceUpdateTime: timestamppb.New(time.Date(2025, time.June, 8, 9, 0, 0, 0, time.UTC)),
	}
	request := &copydeskv1.IngestArticleRequest{
		Document: &copydeskv1.Document{
			Payload:    &copydeskv1.Document_Article{Article: article},
			Source:     "tidewire.example",
			ExternalId: "tidewire-8",
		},
	}
	if _, err := s.client.Ingestion.IngestArticle(ctx, request); err != nil {
		return err
	}
	// A late copy of an older version changes nothing.
	article.Headline = "Lock gates to be repaired"
	article.SourceUpdateTime.Seconds -= 3600
	response, err := s.client.Ingestion.IngestArticle(ctx, request)
	if err != nil {
		return err
	}
	done := response.GetResults()[0].GetIngested()
	fmt.Printf("18 older %v part=%v\n", done.GetOutcome(), done.GetStalePart())
	return nil
}

func (s *scenario) markdown(ctx context.Context) error {
	got, err := s.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{
		Name:        s.page.GetName(),
		BodyFormat:  copydeskv1.BodyFormat_BODY_FORMAT_MARKDOWN,
		Consistency: fresh(s.page),
	})
	if err != nil {
		return err
	}
	paragraphs := strings.Split(strings.TrimSpace(got.GetArticle().GetBody()), "\n\n")
	fmt.Printf("20 markdown \"%s\"\n", paragraphs[len(paragraphs)-1])
	return nil
}

func (s *scenario) count(ctx context.Context) error {
	counts, err := s.client.Retrieval.AggregateArticles(ctx, &copydeskv1.AggregateArticlesRequest{
		Query: "boat*",
		Filter: &copydeskv1.ArticleFilter{
			Sources: &copydeskv1.StringCondition{AnyOf: []string{"tidewire.example"}},
		},
		Aggregations: []*copydeskv1.Aggregation{
			{Kind: &copydeskv1.Aggregation_Values{Values: &copydeskv1.ValueAggregation{
				Field: copydeskv1.ValueField_VALUE_FIELD_SOURCE,
			}}},
			{Kind: &copydeskv1.Aggregation_Times{Times: &copydeskv1.TimeAggregation{
				Interval: copydeskv1.TimeAggregation_INTERVAL_DAY,
				TimeZone: "Europe/Berlin",
			}}},
		},
		Consistency: fullyConsistent(),
	})
	if err != nil {
		return err
	}
	var sources, days []string
	for _, bucket := range counts.GetResults()[0].GetBuckets() {
		sources = append(sources, fmt.Sprintf("%s:%d", bucket.GetValue(), bucket.GetCount()))
	}
	for _, bucket := range counts.GetResults()[1].GetBuckets() {
		days = append(days, fmt.Sprintf("%d:%d", bucket.GetStartTime().GetSeconds(), bucket.GetCount()))
	}
	fmt.Printf("22 count total=%d sources=%s days=%s\n",
		counts.GetTotalSize(), strings.Join(sources, ","), strings.Join(days, ","))
	return nil
}

func (s *scenario) suggest(ctx context.Context) error {
	suggested, err := s.client.Retrieval.SuggestValues(ctx, &copydeskv1.SuggestValuesRequest{
		Field:       copydeskv1.ValueField_VALUE_FIELD_SOURCE,
		Prefix:      "tide",
		Consistency: fullyConsistent(),
	})
	if err != nil {
		return err
	}
	var values []string
	for _, it := range suggested.GetSuggestions() {
		values = append(values, fmt.Sprintf("%s:%d", it.GetValue(), it.GetArticleCount()))
	}
	fmt.Printf("23 suggest %s\n", strings.Join(values, ","))
	return nil
}

func (s *scenario) related(ctx context.Context) error {
	page, err := s.client.Retrieval.ListRelatedArticles(ctx, &copydeskv1.ListRelatedArticlesRequest{
		Name:        s.page.GetName(),
		PageSize:    5,
		Consistency: fullyConsistent(),
	})
	if err != nil {
		return err
	}
	hasSelf := false
	for _, related := range page.GetRelatedArticles() {
		hasSelf = hasSelf || related.GetArticle().GetName() == s.page.GetName()
	}
	fmt.Printf("24 related count=%d self=%s next=%s\n",
		len(page.GetRelatedArticles()), yes(hasSelf), yes(page.GetNextPageToken() != ""))
	return nil
}

func (s *scenario) retry(ctx context.Context, witness *copydesk.Client) error {
	var header metadata.MD
	// The channel retries, as the service config says; this code does not.
	request := &copydeskv1.GetArticleRequest{Name: s.page.GetName(), Consistency: fresh(s.page)}
	got, err := witness.Retrieval.GetArticle(ctx, request, grpc.Header(&header))
	if err != nil {
		return err
	}
	attempts := strings.Join(header.Get("witness-attempts"), ",")
	fmt.Printf("13 retry attempts=%s revision=%d\n", attempts, got.GetArticle().GetRevision())
	return nil
}

func (s *scenario) compression(ctx context.Context, witness *copydesk.Client) error {
	request := &copydeskv1.BatchGetArticlesRequest{Consistency: fresh(s.page)}
	for _, item := range s.items[1:] {
		request.Names = append(request.Names, item.GetName())
	}
	var header metadata.MD
	// Importing gzip enables compressed responses.
	batch, err := witness.Retrieval.BatchGetArticles(ctx, request, grpc.UseCompressor(gzip.Name), grpc.Header(&header))
	if err != nil {
		return err
	}
	sent := strings.Join(header.Get("witness-request-encoding"), ",")
	answered := strings.Join(header.Get("witness-response-encoding"), ",")
	fmt.Printf("14 compression request=%s response=%s found=%d\n", sent, answered, len(batch.GetArticles()))
	return nil
}

func (s *scenario) health(ctx context.Context) error {
	check := func(service string) (*grpc_health_v1.HealthCheckResponse, error) {
		return s.client.Health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	}
	answer, err := check("copydesk.v1.RetrievalService")
	if err != nil {
		return err
	}
	_, err = check("copydesk.v1.NoService")
	if err == nil {
		return errExpected
	}
	fmt.Printf("15 health %v unknown=%s\n", answer.GetStatus(), copydesk.ProblemOf(err).Code)
	return nil
}
