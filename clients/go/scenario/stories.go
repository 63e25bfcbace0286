package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

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
	ofSecond, err := s.getStory(ctx, second.GetName()+"/story")
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
	sameName := ofSecond.GetName() == story.GetName()
	sameStory := related.GetSameStory() && related.GetArticle().GetName() == second.GetName()
	fmt.Printf("27 story articles=%d sources=%d copies=%d shown=%d same-name=%s listed=%d same-story=%s\n",
		story.GetArticleCount(), story.GetSourceCount(), story.GetCopyCount(), len(top.GetArticles()), yes(sameName),
		len(articles.GetArticles()), yes(sameStory))
	s.first, s.second, s.topStory = first, second, story
	return nil
}

func (s *scenario) getStory(ctx context.Context, name string) (*copydeskv1.Story, error) {
	response, err := s.client.Retrieval.GetStory(ctx, &copydeskv1.GetStoryRequest{Name: name})
	if err != nil {
		return nil, err
	}
	return response.GetStory(), nil
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

func (s *scenario) watchStories(ctx context.Context) error {
	request := &copydeskv1.WatchStoriesRequest{Start: &copydeskv1.WatchStoriesRequest_Beginning{Beginning: true}}
	stories, token, err := s.watchUntil(ctx, request, s.second, s.topStory)
	if err != nil {
		return err
	}
	ofFirst, err := s.getStory(ctx, s.first.GetName()+"/story")
	if err != nil {
		return err
	}
	articles := 0
	for _, name := range stories {
		if name == s.topStory.GetName() {
			articles++
		}
	}
	sameStory := stories[s.first.GetName()] == ofFirst.GetName()
	fmt.Printf("28 watch-stories articles=%d same-story=%s\n", articles, yes(sameStory))
	s.watchToken = token
	return nil
}

// watchUntil watches until a checkpoint at which the article is in the story. It returns the stories of the articles
// that were sent, and the token of the checkpoint.
func (s *scenario) watchUntil(ctx context.Context, request *copydeskv1.WatchStoriesRequest, article *copydeskv1.Article,
	story *copydeskv1.Story) (map[string]string, string, error) {
	// Cancelling the context ends the stream.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	events, err := s.client.Retrieval.WatchStories(ctx, request)
	if err != nil {
		return nil, "", err
	}
	stories := map[string]string{}
	for {
		event, err := events.Recv()
		if err != nil {
			return nil, "", err
		}
		change := event.GetChange()
		switch {
		case change == nil:
			// Another replica may have read only what was grouped before.
			if stories[article.GetName()] == story.GetName() {
				return stories, event.GetCheckpoint().GetWatchToken(), nil
			}
		case change.GetStory() == "":
			// The article is not readable any more.
			delete(stories, change.GetArticle())
		default:
			stories[change.GetArticle()] = change.GetStory()
		}
	}
}

func (s *scenario) split(ctx context.Context) error {
	// Without a destination the article becomes a story by itself.
	moved, err := s.client.Editorial.MoveStoryArticles(ctx, &copydeskv1.MoveStoryArticlesRequest{
		Parent:   s.topStory.GetName(),
		Articles: []string{s.second.GetName()},
	})
	if err != nil {
		return err
	}
	divided := moved.GetStory()
	request := &copydeskv1.WatchStoriesRequest{Start: &copydeskv1.WatchStoriesRequest_WatchToken{WatchToken: s.watchToken}}
	stories, _, err := s.watchUntil(ctx, request, s.second, divided)
	if err != nil {
		return err
	}
	got, err := s.client.Retrieval.GetArticle(ctx, &copydeskv1.GetArticleRequest{
		Name: s.second.GetName(),
		// No view includes `story`: a mask has to name it.
		ReadMask:    &fieldmaskpb.FieldMask{Paths: []string{"story"}},
		Consistency: fresh(s.second),
	})
	if err != nil {
		return err
	}
	newName := divided.GetName() != s.topStory.GetName()
	watched := stories[s.second.GetName()] == divided.GetName()
	byMask := got.GetArticle().GetStory() == divided.GetName()
	fmt.Printf("29 split articles=%d new-name=%s watched=%s by-mask=%s\n",
		divided.GetArticleCount(), yes(newName), yes(watched), yes(byMask))
	s.divided = divided
	return nil
}

func (s *scenario) mergeStories(ctx context.Context) error {
	response, err := s.client.Editorial.MergeStories(ctx, &copydeskv1.MergeStoriesRequest{
		Name:        s.topStory.GetName(),
		SourceStory: s.divided.GetName(),
	})
	if err != nil {
		return err
	}
	merged := response.GetStory()
	// The former name returns the story from now on, also in filters.
	former, err := s.getStory(ctx, s.divided.GetName())
	if err != nil {
		return err
	}
	filter := &copydeskv1.ArticleFilter{
		Stories: &copydeskv1.StringCondition{AnyOf: []string{s.divided.GetName()}},
	}
	request := &copydeskv1.ListArticlesRequest{
		Filter:      filter,
		ReadMask:    &fieldmaskpb.FieldMask{Paths: []string{"name", "story"}},
		Consistency: fresh(s.second),
	}
	page, err := s.client.Retrieval.ListArticles(ctx, request)
	if err != nil {
		return err
	}
	listed := page.GetArticles()
	sameStory := true
	for _, article := range listed {
		sameStory = sameStory && article.GetStory() == s.topStory.GetName()
	}
	filter.OnePerStory = true
	page, err = s.client.Retrieval.ListArticles(ctx, request)
	if err != nil {
		return err
	}
	one := page.GetArticles()
	sameName := merged.GetName() == s.topStory.GetName() && former.GetName() == s.topStory.GetName()
	earliest := one[0].GetName() == s.first.GetName()
	fmt.Printf("30 merge articles=%d same-name=%s listed=%d same-story=%s one-per-story=%d earliest=%s\n",
		merged.GetArticleCount(), yes(sameName), len(listed), yes(sameStory), len(one), yes(earliest))
	return nil
}

func (s *scenario) mostRead(ctx context.Context) error {
	reads := []*copydeskv1.ArticleReads{
		{Article: s.first.GetName(), ReadCount: 2},
		{Article: s.second.GetName(), ReadCount: 5},
	}
	if _, err := s.client.Retrieval.RecordReads(ctx, &copydeskv1.RecordReadsRequest{Reads: reads}); err != nil {
		return err
	}
	var names, counts []string
	// Reads are listed within about 10 seconds, on every replica.
	for range 60 {
		page, err := s.client.Retrieval.ListMostReadArticles(ctx, &copydeskv1.ListMostReadArticlesRequest{})
		if err != nil {
			return err
		}
		names, counts = nil, nil
		for _, read := range page.GetMostReadArticles() {
			names = append(names, read.GetArticle().GetName())
			counts = append(counts, strconv.FormatInt(read.GetReadCount(), 10))
		}
		if len(names) == len(reads) {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	inOrder := slices.Equal(names, []string{s.second.GetName(), s.first.GetName()})
	fmt.Printf("31 most-read reads=%s in-order=%s\n", strings.Join(counts, ","), yes(inOrder))
	return nil
}

func (s *scenario) killStory(ctx context.Context) error {
	response, err := s.client.Editorial.WithdrawArticle(ctx, &copydeskv1.WithdrawArticleRequest{
		Name:   s.first.GetName(),
		Scope:  copydeskv1.WithdrawScope_WITHDRAW_SCOPE_STORY,
		Reason: "There was no fire.",
	})
	if err != nil {
		return err
	}
	others := response.GetCopies()
	// GetStory has no consistency: any replica may be stale by a second.
	time.Sleep(time.Second)
	_, err = s.getStory(ctx, s.topStory.GetName())
	if err == nil {
		return errExpected
	}
	problem := copydesk.ProblemOf(err)
	fmt.Printf("32 kill-story others=%d outcome=%v kind=%v afterwards=%s reason=%s\n",
		len(others), others[0].GetOutcome(), others[0].GetKind(), problem.Code, problem.Reason)
	return nil
}
