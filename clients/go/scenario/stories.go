package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

func (s *scenario) story(ctx context.Context) error {
	first, err := s.ingestText(ctx, "story-one.txt", "https://northline.example/kelmore-fire")
	if err != nil {
		return err
	}
	second, err := s.ingestText(ctx, "story-two.txt", "https://ellery-herald.example/kelmore-fire")
	if err != nil {
		return err
	}
	// Waits until the second article is grouped.
	listed, err := s.client.Retrieval.ListTopStories(ctx, &copydeskv1.ListTopStoriesRequest{
		Filter: &copydeskv1.StoryFilter{
			Sources:        []string{"northline.example", "ellery-herald.example"},
			MinSourceCount: 2,
		},
		MaxStoryArticles: 2,
		Consistency:      fresh(second),
	})
	if err != nil {
		return err
	}
	top := listed.GetTopStories()[0]
	story := top.GetStory()
	got, err := s.client.Retrieval.GetStory(ctx, &copydeskv1.GetStoryRequest{Name: second.GetName() + "/story"})
	if err != nil {
		return err
	}
	request := &copydeskv1.ListStoryArticlesRequest{Parent: story.GetName()}
	articles, err := s.client.Retrieval.ListStoryArticles(ctx, request)
	if err != nil {
		return err
	}
	page, err := s.client.Retrieval.ListRelatedArticles(ctx, &copydeskv1.ListRelatedArticlesRequest{
		Name:        first.GetName(),
		Consistency: fresh(second),
	})
	if err != nil {
		return err
	}
	related := page.GetRelatedArticles()[0]
	sameName := got.GetStory().GetName() == story.GetName()
	sameStory := related.GetSameStory() && related.GetArticle().GetName() == second.GetName()
	fmt.Printf("27 story articles=%d sources=%d copies=%d shown=%d same-name=%s listed=%d same-story=%s\n",
		story.GetArticleCount(), story.GetSourceCount(), story.GetCopyCount(), len(top.GetArticles()), yes(sameName),
		len(articles.GetArticles()), yes(sameStory))
	s.reported, s.topStory = first, story
	return nil
}

func (s *scenario) ingestText(ctx context.Context, file, url string) (*copydeskv1.Article, error) {
	text, err := os.ReadFile(filepath.Join(s.data, file))
	if err != nil {
		return nil, err
	}
	response, err := s.client.Ingestion.IngestArticle(ctx, &copydeskv1.IngestArticleRequest{
		Document: &copydeskv1.Document{Payload: &copydeskv1.Document_Text{Text: string(text)}, Url: url},
	})
	if err != nil {
		return nil, err
	}
	return response.GetResults()[0].GetIngested().GetArticle(), nil
}

func (s *scenario) killStory(ctx context.Context) error {
	response, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{
		Name:   s.reported.GetName(),
		Scope:  copydeskv1.WithdrawScope_WITHDRAW_SCOPE_STORY,
		Reason: "There was no fire.",
	})
	if err != nil {
		return err
	}
	others := response.GetCopies()
	// GetStory has no consistency: any replica may be stale by a second.
	time.Sleep(time.Second)
	_, err = s.client.Retrieval.GetStory(ctx, &copydeskv1.GetStoryRequest{Name: s.topStory.GetName()})
	if err == nil {
		return errExpected
	}
	problem := copydesk.ProblemOf(err)
	fmt.Printf("28 kill-story others=%d outcome=%v kind=%v afterwards=%s reason=%s\n",
		len(others), others[0].GetOutcome(), others[0].GetKind(), problem.Code, problem.Reason)
	return nil
}
