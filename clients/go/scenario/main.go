// Command scenario runs ../scenario.md: every kind of call, one after another, with a line of output for each.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"copydesk.dev/copydesk"
	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

// scenario is the state that the steps share.
type scenario struct {
	// client calls all replicas, other calls one.
	client, other *copydesk.Client
	data          string
	page          *copydeskv1.Article
	items         []*copydeskv1.Article
	withdrawn     *copydeskv1.Article
	wire          *copydeskv1.Article
	// first and second are the articles of topStory.
	first, second *copydeskv1.Article
	topStory      *copydeskv1.Story
	// watchToken resumes the watch of stories.
	watchToken string
	// divided is the story that an editor divides from topStory.
	divided *copydeskv1.Story
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	addresses := strings.Split(cmp.Or(os.Getenv("COPYDESK_ADDRESSES"), "127.0.0.1:50051"), ",")
	clients := cmp.Or(os.Getenv("COPYDESK_CLIENTS"), "..")
	config := filepath.Join(clients, "service-config.json")
	client, err := copydesk.Connect(addresses, config)
	if err != nil {
		return err
	}
	defer client.Close()
	other, err := copydesk.Connect(addresses[len(addresses)-1:], config)
	if err != nil {
		return err
	}
	defer other.Close()

	s := &scenario{client: client, other: other, data: filepath.Join(clients, "data")}
	err = runAll(ctx, s.ingestPage, s.ingestFeed, s.get, s.getByToken, s.batch, s.list, s.search, s.watch, s.stream,
		s.validation, s.notFound, s.deadline, s.cancel)
	if err != nil {
		return err
	}
	if address := os.Getenv("COPYDESK_WITNESS"); address != "" {
		witness, err := copydesk.Connect([]string{address}, config)
		if err != nil {
			return err
		}
		defer witness.Close()
		if err := s.retry(ctx, witness); err != nil {
			return err
		}
		if err := s.compression(ctx, witness); err != nil {
			return err
		}
	} else {
		fmt.Println("13 retry no witness")
		fmt.Println("14 compression no witness")
	}
	return runAll(ctx, s.health, s.withdrawByURL, s.withdrawEarly, s.anyState, s.older, s.diff, s.markdown, s.export,
		s.count, s.suggest, s.related, s.copies, s.kill, s.story, s.watchStories, s.split, s.mergeStories, s.mostRead,
		s.killStory)
}

func runAll(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func yes(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}
