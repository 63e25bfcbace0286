package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

func (s *scenario) withdrawByURL(ctx context.Context) error {
	response, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{
		// Scheme, www. and tracking parameters do not matter.
		Url:    "http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario",
		Reason: "The board has not voted yet.",
	})
	if err != nil {
		return err
	}
	s.withdrawn = response.GetArticle()
	item := s.items[1]
	article := &copydeskv1.Article{Headline: item.GetHeadline(), Body: item.GetBody()}
	problem, err := s.rejection(ctx, item.GetUrl(), article)
	if err != nil {
		return err
	}
	fmt.Printf("16 withdraw %v again=%s reason=%s\n", s.withdrawn.GetState(), problem.Code, problem.Reason)
	return nil
}

func (s *scenario) withdrawEarly(ctx context.Context) error {
	url := "https://tidewire.example/pilots"
	// The withdrawal arrives before the article.
	response, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{
		Url:          url,
		AllowMissing: true,
		Reason:       "Sent by mistake.",
	})
	if err != nil {
		return err
	}
	article := &copydeskv1.Article{Headline: "Pilots to strike", Body: "The pilots of Port Ellery will strike on Friday."}
	problem, err := s.rejection(ctx, url, article)
	if err != nil {
		return err
	}
	state := response.GetArticle().GetState()
	fmt.Printf("16 withdraw-early %v arrival=%s reason=%s\n", state, problem.Code, problem.Reason)
	return nil
}

// rejection ingests a ready article, which must be rejected.
func (s *scenario) rejection(ctx context.Context, url string, article *copydeskv1.Article) (copydesk.Problem, error) {
	_, err := s.ingestReady(ctx, url, article)
	if err == nil {
		return copydesk.Problem{}, errExpected
	}
	return copydesk.ProblemOf(err), nil
}

func (s *scenario) ingestReady(
	ctx context.Context, url string, article *copydeskv1.Article,
) (*copydeskv1.IngestedArticle, error) {
	response, err := s.client.Ingestion.IngestArticle(ctx, &copydeskv1.IngestArticleRequest{
		Document: &copydeskv1.Document{Payload: &copydeskv1.Document_Article{Article: article}, Url: url},
	})
	if err != nil {
		return nil, err
	}
	return response.GetResults()[0].GetIngested(), nil
}

func (s *scenario) anyState(ctx context.Context) error {
	name := s.withdrawn.GetName()
	// Requires the scope articles.edit if authentication is on.
	got, err := s.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{
		Name:        name,
		AnyState:    true,
		Consistency: fresh(s.withdrawn),
	})
	if err != nil {
		return err
	}
	request := &copydeskv1.ListArticleRevisionsRequest{Parent: name, AnyState: true}
	listed, err := s.client.Retrieval.ListArticleRevisions(ctx, request)
	if err != nil {
		return err
	}
	newest := listed.GetRevisions()[0]
	fmt.Printf("17 any-state %v %v reason=\"%s\"\n", got.GetArticle().GetState(), newest.GetKind(), newest.GetReason())
	return nil
}

func (s *scenario) diff(ctx context.Context) error {
	diff, err := s.client.Retrieval.DiffArticleRevisions(ctx, &copydeskv1.DiffArticleRevisionsRequest{
		// The default of base_revision is the revision before.
		Name:        fmt.Sprintf("%s/revisions/%d", s.page.GetName(), s.page.GetRevision()),
		Consistency: fresh(s.page),
	})
	if err != nil {
		return err
	}
	for _, field := range diff.GetFields() {
		fmt.Printf("19 diff %s old=\"%s\" new=\"%s\"\n", field.GetPath(), field.GetOldValue(), field.GetNewValue())
	}
	return nil
}

func (s *scenario) copies(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.data, "channel.txt"))
	if err != nil {
		return err
	}
	article := &copydeskv1.Article{Headline: "Wire story", Body: string(text)}
	first, err := s.ingestReady(ctx, "https://wire.example/channel", article)
	if err != nil {
		return err
	}
	s.wire = first.GetArticle()
	body := s.wire.GetBody() + "\n\nThis story was supplied by a wire."
	article = &copydeskv1.Article{Headline: "Under another headline", Body: body}
	second, err := s.ingestReady(ctx, "https://mirror.example/channel", article)
	if err != nil {
		return err
	}
	listed, err := s.client.Retrieval.ListArticleCopies(ctx, &copydeskv1.ListArticleCopiesRequest{
		Name:        s.wire.GetName(),
		Consistency: fullyConsistent(),
	})
	if err != nil {
		return err
	}
	copies := listed.GetCopies()
	fmt.Printf("25 copies outcome=%v count=%d kind=%v\n", second.GetOutcome(), len(copies), copies[0].GetKind())
	return nil
}

func (s *scenario) kill(ctx context.Context) error {
	response, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{
		Name: s.wire.GetName(),
		// Holds for the copies that exist, and for those that arrive later.
		Scope:  copydeskv1.WithdrawScope_WITHDRAW_SCOPE_COPIES,
		Reason: "The wire has withdrawn it.",
	})
	if err != nil {
		return err
	}
	article := &copydeskv1.Article{Headline: "Late copy", Body: s.wire.GetBody()}
	late, err := s.rejection(ctx, "https://late.example/channel", article)
	if err != nil {
		return err
	}
	copies := response.GetCopies()
	fmt.Printf("26 kill copies=%d outcome=%v late=%s reason=%s\n",
		len(copies), copies[0].GetOutcome(), late.Code, late.Reason)
	return nil
}
