//! Identity of the server behind a connection.

use ::redis::{Pipeline, Value};

use super::connection::{Connection, RedisError, text};
use super::slots::Slots;
use crate::cache::redis::options::Mode;

/// Run and replication history of a server. Every start and every change of role begins a new history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cache::redis) struct ServerIdentity {
    pub(in crate::cache::redis) run: String,
    pub(in crate::cache::redis) history: String,
    /// Slots of the node; in a Cluster only.
    pub(in crate::cache::redis) slot_set: Option<SlotSet>,
}

/// Slots of a Cluster node, as the node itself reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cache::redis) struct SlotSet {
    /// Configuration epoch. It grows whenever the node takes over slots of another node.
    pub(in crate::cache::redis) epoch: u64,
    pub(in crate::cache::redis) slots: Slots,
}

impl ServerIdentity {
    /// Queries the identity of the server behind a connection.
    pub(in crate::cache::redis) async fn of(connection: &Connection, mode: Mode) -> Result<Self, RedisError> {
        let mut pipeline = Pipeline::new();
        Self::query(mode, &mut pipeline);
        Self::parse(mode, &connection.send(&pipeline).await?)
    }

    /// Adds the query to a pipeline.
    pub(in crate::cache::redis) fn query(mode: Mode, pipeline: &mut Pipeline) {
        pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
        if mode == Mode::Cluster {
            pipeline.cmd("CLUSTER").arg("NODES");
        }
    }

    /// Parses the response to `query`.
    pub(in crate::cache::redis) fn parse(mode: Mode, answers: &[Value]) -> Result<Self, RedisError> {
        let response: String = answers.iter().filter_map(text).collect::<Vec<_>>().join("\n");
        let field = |name: &str| {
            let line = response.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        // Valkey calls the field `server_mode`.
        let is = |mode: &str| field("redis_mode") == mode || field("server_mode") == mode;
        let problem = match mode {
            Mode::Standalone if is("cluster") => {
                Some("server belongs to a Cluster; use redis-cluster:// instead of redis://")
            }
            Mode::Standalone if !is("standalone") => Some("not a standalone server; it may be a Sentinel"),
            Mode::Cluster if !is("cluster") => Some("server does not belong to a Cluster; use redis://"),
            _ if field("role") != "master" => Some("server is a replica, not a primary"),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(RedisError::Refused(problem.into()));
        }
        let slot_set = match mode {
            Mode::Standalone => None,
            Mode::Cluster => Some(SlotSet::parse(&response)?),
        };
        let identity = Self { run: field("run_id"), history: field("master_replid"), slot_set };
        if identity.run.is_empty() || identity.history.is_empty() {
            return Err(RedisError::Refused("INFO reports no run ID or replication ID".into()));
        }
        Ok(identity)
    }

    /// Returns the identity as part of the mark's key, with the hash tag that places the mark on the node of the
    /// entries. Each set of slots has a mark of its own, since a mark is valid for its slots only.
    pub(in crate::cache::redis) fn mark(&self) -> Result<String, RedisError> {
        let Self { run, history, slot_set } = self;
        let Some(SlotSet { epoch, slots }) = slot_set else { return Ok(format!("{run}:{history}")) };
        let tag = slots.tag().ok_or_else(|| RedisError::Refused("node has no slots".into()))?;
        Ok(format!("{run}:{history}:{epoch}:{:016x}:{{{tag}}}", slots.digest()))
    }

    /// Returns true if both are the same server, regardless of its slots.
    pub(in crate::cache::redis) fn is_server_of(&self, other: &Self) -> bool {
        (&self.run, &self.history) == (&other.run, &other.history)
    }

    /// Returns true if it is the same node as before and has only lost slots since.
    pub(in crate::cache::redis) fn has_only_lost_slots_since(&self, before: &Self) -> bool {
        let (Some(now), Some(then)) = (&self.slot_set, &before.slot_set) else { return false };
        self.is_server_of(before)
            && now.epoch == then.epoch
            && now.slots != then.slots
            && then.slots.includes(&now.slots)
    }
}

impl SlotSet {
    /// Parses the node's own line of CLUSTER NODES: ID, address, flags, primary, two times, epoch, link, and slots.
    fn parse(response: &str) -> Result<Self, RedisError> {
        let mine = |line: &&str| {
            let flags = line.split(' ').nth(2).unwrap_or_default();
            flags.split(',').any(|flag| flag == "myself")
        };
        let slot_set = response.lines().find(mine).and_then(|line| {
            let mut words = line.split_whitespace().skip(6);
            let epoch = words.next()?.parse().ok()?;
            Some(Self { epoch, slots: Slots::parse(words.skip(1))? })
        });
        slot_set.ok_or_else(|| RedisError::Refused("CLUSTER NODES does not list the node's own slots".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(mode: &str, nodes: &str) -> Result<ServerIdentity, RedisError> {
        let info = format!("redis_mode:{mode}\r\nrun_id:r\r\nrole:master\r\nmaster_replid:h\r\n");
        let answers = [info.into_bytes(), nodes.to_owned().into_bytes()].map(Value::BulkString);
        ServerIdentity::parse(Mode::Cluster, &answers)
    }

    fn node(epoch: u64, slots: &str) -> ServerIdentity {
        let others = "a 10.0.0.1:1@2,host master - 0 0 9 connected 0-99\n";
        parse("cluster", &format!("{others}b 10.0.0.2:1@2,host myself,master - 0 0 {epoch} connected {slots}\n"))
            .unwrap()
    }

    #[test]
    fn a_node_is_what_it_says_of_itself() {
        let slot_set = node(7, "100-200 [100->-a]").slot_set.unwrap();
        assert_eq!((slot_set.epoch, format!("{:?}", slot_set.slots)), (7, "100 slots".into()));
        assert!(parse("standalone", "").is_err() && parse("cluster", "").is_err());
        let response = [Value::SimpleString("redis_mode:cluster\nrole:master".into())];
        assert!(
            ServerIdentity::parse(Mode::Standalone, &response).unwrap_err().to_string().contains("redis-cluster://")
        );
        assert!(node(1, "").mark().is_err());
        let marks = [node(1, "0-9"), node(1, "0-8"), node(2, "0-9")].map(|node| node.mark().unwrap());
        assert!(marks[0] != marks[1] && marks[0] != marks[2] && marks[0] == node(1, "0-9").mark().unwrap());
    }

    #[test]
    fn only_who_has_lost_slots_is_less() {
        let whole = node(1, "0-9");
        assert!(
            node(1, "0-3 5-9").has_only_lost_slots_since(&whole)
                && node(1, "0-9 [4->-a]").has_only_lost_slots_since(&whole)
        );
        for other in [node(1, "0-9"), node(1, "0-10"), node(1, "1-10"), node(2, "0-8")] {
            assert!(!other.has_only_lost_slots_since(&whole), "{other:?}");
        }
        assert!(!ServerIdentity { run: "other".into(), ..node(1, "0-8") }.has_only_lost_slots_since(&whole));
    }
}
