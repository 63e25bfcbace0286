//! Timeouts and retry policies of methods, from `clients/service-config.json`. gRPC libraries of other languages read
//! that file themselves; tonic does not support service configs.

use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use tonic::Code;

/// Service config embedded at build time.
static CONFIG: LazyLock<ServiceConfig> = LazyLock::new(|| {
    let text = include_str!("../../service-config.json");
    serde_json::from_str(text).expect("the embedded service config is valid: a unit test parses it")
});

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceConfig {
    health_check_config: HealthCheckConfig,
    method_config: Vec<MethodConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheckConfig {
    service_name: String,
}

/// Configuration of a set of methods.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MethodConfig {
    name: Vec<Name>,
    /// Timeout of a call, including all attempts.
    #[serde(default, deserialize_with = "optional_duration")]
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry_policy: Option<RetryPolicy>,
}

#[derive(Deserialize)]
struct Name {
    service: String,
    /// None for all methods without an entry of their own.
    method: Option<String>,
}

/// Retry policy, as in gRFC A6 without retry throttling and server pushback delays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetryPolicy {
    /// Maximum number of attempts, including the first.
    pub(crate) max_attempts: u32,
    #[serde(deserialize_with = "duration")]
    initial_backoff: Duration,
    #[serde(deserialize_with = "duration")]
    max_backoff: Duration,
    backoff_multiplier: f64,
    #[serde(deserialize_with = "codes")]
    retryable_status_codes: Vec<Code>,
}

/// Returns the service whose health decides if a replica is used.
pub(crate) fn health_service() -> &'static str {
    &CONFIG.health_check_config.service_name
}

/// Returns the configuration of a method by its path, such as `/copydesk.v1.RetrievalService/GetArticle`.
pub(crate) fn of(path: &str) -> Option<&'static MethodConfig> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let of = |method: Option<&str>| {
        let names = |config: &&MethodConfig| {
            config.name.iter().any(|name| name.service == service && name.method.as_deref() == method)
        };
        CONFIG.method_config.iter().find(names)
    };
    of(Some(method)).or_else(|| of(None))
}

impl RetryPolicy {
    pub(crate) fn retries(&self, code: Code) -> bool {
        self.retryable_status_codes.contains(&code)
    }

    /// Returns the delay after an attempt, counted from 1, varied by ± 20 % with `jitter` from 0 to 1.
    pub(crate) fn backoff(&self, attempt: u32, jitter: f64) -> Duration {
        let grown = self.initial_backoff.as_secs_f64() * self.backoff_multiplier.powf(f64::from(attempt - 1));
        Duration::from_secs_f64(grown.min(self.max_backoff.as_secs_f64()) * (0.8 + 0.4 * jitter))
    }
}

/// Parses a duration in the JSON format of Protobuf, such as `0.1s`.
fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| serde::de::Error::custom(format!("invalid duration {text:?}; must be seconds such as 0.1s")))
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn codes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Code>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let code = |name: &String| match name.as_str() {
        "UNAVAILABLE" => Ok(Code::Unavailable),
        "RESOURCE_EXHAUSTED" => Ok(Code::ResourceExhausted),
        other => Err(serde::de::Error::custom(format!(
            "unsupported retryable code {other}; must be UNAVAILABLE or RESOURCE_EXHAUSTED"
        ))),
    };
    names.iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_what_the_file_says() {
        let get = of("/copydesk.v1.RetrievalService/GetArticle").unwrap();
        assert_eq!(get.timeout, Some(Duration::from_secs(10)));
        let policy = get.retry_policy.as_ref().unwrap();
        assert!(policy.retries(Code::Unavailable) && !policy.retries(Code::NotFound));
        assert_eq!(policy.backoff(1, 0.5), Duration::from_millis(100));
        assert_eq!(policy.backoff(10, 1.0), Duration::from_millis(2_400));

        for watch in ["WatchArticles", "WatchStories"] {
            let watch = of(&format!("/copydesk.v1.RetrievalService/{watch}")).unwrap();
            assert!(watch.timeout.is_none() && watch.retry_policy.is_some());
        }
        assert!(of("/copydesk.v1.EditorialService/MergeStories").unwrap().retry_policy.is_some());
        assert!(of("/copydesk.v1.EditorialService/UpdateArticle").unwrap().retry_policy.is_none());
        assert!(of("/copydesk.v1.IngestionService/IngestArticles").is_none());
        assert!(of("/grpc.health.v1.Health/Check").is_none());
    }

    #[test]
    fn every_name_of_the_file_is_a_method() {
        use prost::Message;
        let set = prost_types::FileDescriptorSet::decode(crate::proto::FILE_DESCRIPTOR_SET).unwrap();
        let services: Vec<_> = set.file.iter().flat_map(|file| &file.service).collect();
        for Name { service, method } in CONFIG.method_config.iter().flat_map(|config| &config.name) {
            let known = services.iter().find(|known| format!("copydesk.v1.{}", known.name()) == *service);
            let known = known.unwrap_or_else(|| panic!("unknown service {service}"));
            let method_known = |method: &String| known.method.iter().any(|known| known.name() == method);
            assert!(method.as_ref().is_none_or(method_known), "{service} has no method {method:?}");
        }
    }
}
