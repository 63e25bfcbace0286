package copydesk

import (
	"slices"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// Problem is an error with its details: https://google.aip.dev/193. Reason is stable: decide by it, never by the message.
type Problem struct {
	Code     string
	Reason   string
	Resource string
	Fields   []string
}

// ProblemOf reads the details that Copydesk sends with an error.
func ProblemOf(err error) Problem {
	return ProblemIn(status.Convert(err))
}

// ProblemIn reads the details of a status, such as one in a response of IngestArticles.
func ProblemIn(status *status.Status) Problem {
	problem := Problem{Code: code.Code(status.Code()).String()}
	for _, detail := range status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			problem.Reason = detail.GetReason()
		case *errdetails.ResourceInfo:
			problem.Resource = detail.GetResourceName()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				problem.Fields = append(problem.Fields, violation.GetField())
			}
		}
	}
	slices.Sort(problem.Fields)
	return problem
}
