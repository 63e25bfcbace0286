// Lists the newest articles of the server in the query of the page's URL: index.html?server=http://127.0.0.1:50051
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { RetrievalService } from "./generated/copydesk/v1/retrieval_service_pb";
import { ErrorInfoSchema } from "./generated/google/rpc/error_details_pb";

const server = new URLSearchParams(location.search).get("server") ?? location.origin;
const articles = createClient(RetrievalService, createGrpcWebTransport({ baseUrl: server, defaultTimeoutMs: 30_000 }));

// Server streams work over gRPC-Web; client streams do not.
async function show(): Promise<string> {
  const list = document.getElementById("articles")!;
  const { articles: page } = await articles.listArticles({
    pageSize: 20,
    readMask: { paths: ["name", "headline"] },
  });
  for (const article of page) {
    list.append(Object.assign(document.createElement("li"), { textContent: article.headline, id: article.name }));
  }
  let exported = 0;
  for await (const { item } of articles.exportArticles({ readMask: { paths: ["name"] } })) {
    exported += item.case === "article" ? 1 : 0;
  }
  return `${page.length} listed, ${exported} exported; an unknown one is ${await unknown()}`;
}

// Returns the code and reason of an error.
async function unknown(): Promise<string> {
  try {
    await articles.getArticle({ name: "articles/unknown" });
    return "there";
  } catch (error) {
    const problem = ConnectError.from(error);
    const [info] = problem.findDetails(ErrorInfoSchema);
    return `${Code[problem.code]} (${info?.reason ?? "no reason"})`;
  }
}

show().then(
  (said) => (document.getElementById("status")!.textContent = said),
  (error: unknown) => (document.getElementById("status")!.textContent = ConnectError.from(error).message),
);
