//! Whom a connection leads to.

use ::redis::{Pipeline, Value};

use super::wire::{Trouble, Wire, text};

/// Which Redis, and which history of its data: it begins another with every start and every change of role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) run: String,
    pub(super) history: String,
}

impl Identity {
    /// Whom a connection leads to.
    pub(super) async fn of(wire: &Wire) -> Result<Self, Trouble> {
        let mut pipeline = Pipeline::new();
        Self::ask(&mut pipeline);
        Self::told(&wire.ask(&pipeline).await?)
    }

    /// Puts the question into a pipeline.
    pub(super) fn ask(pipeline: &mut Pipeline) {
        pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    }

    /// What `ask` was answered.
    pub(super) fn told(answers: &[Value]) -> Result<Self, Trouble> {
        let told: String = answers.iter().filter_map(text).collect::<Vec<_>>().join("\n");
        let field = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        // Valkey has another name for it.
        if field("redis_mode") != "standalone" && field("server_mode") != "standalone" {
            return Err(Trouble::Refused("it is not a server of its own, but of a Cluster or a Sentinel".into()));
        }
        if field("role") != "master" {
            return Err(Trouble::Refused("it is a replica".into()));
        }
        let identity = Self { run: field("run_id"), history: field("master_replid") };
        if identity.run.is_empty() || identity.history.is_empty() {
            return Err(Trouble::Refused("INFO does not say who it is".into()));
        }
        Ok(identity)
    }
}
