//! Redis Cluster: discovery of its nodes, and routing of reads to them.

pub(super) mod discovery;
pub(super) mod router;
