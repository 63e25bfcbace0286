"""Functions that the steps of the scenario share."""

from collections.abc import Callable

import grpc
from copydesk.v1.article_pb2 import Article
from copydesk.v1.retrieval_service_pb2 import Consistency

from copydesk_client.errors import Problem


def fresh(article: Article) -> Consistency:
    """Requires a read at least as fresh as this write, from any replica."""
    return Consistency(at_least_as_fresh=article.change_token)


def failure(call: Callable[[], object]) -> Problem:
    try:
        call()
    except grpc.RpcError as error:
        return Problem.of(error)
    raise AssertionError("the call succeeded; it must fail")


def yes(value: bool) -> str:
    return "yes" if value else "no"
