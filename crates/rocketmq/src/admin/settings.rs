//! What a broker says of itself.

use std::collections::BTreeMap;

use rocketmq_wire::remoting::{self, RuntimeInfo, VERSION, read_settings};

use super::cluster::BrokerNode;
use super::{Admin, done, unreadable};
use crate::error::Error;

impl Admin {
    /// A broker's configuration, as in `broker.conf`, with the defaults: `flushDiskType`,
    /// `transactionTimeOut` (ms), `fileReservedTime` (hours) and some hundreds more.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn broker_settings(
        &self,
        broker: &BrokerNode,
    ) -> Result<BTreeMap<String, String>, Error> {
        const OPERATION: &str = "read a broker's settings";
        let answer = self
            .ask(OPERATION, broker, remoting::broker_settings(0))
            .await?;
        read_settings(&done(OPERATION, answer)?)
            .map_err(|error| unreadable(OPERATION, &broker.address, error))
    }

    /// A broker's version as it spells it, e.g. `V5_5_0`.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn broker_version(&self, broker: &BrokerNode) -> Result<Option<String>, Error> {
        const OPERATION: &str = "read a broker's version";
        let answer = self
            .ask(OPERATION, broker, remoting::runtime_info(0))
            .await?;
        let mut info = RuntimeInfo::from_frame(&done(OPERATION, answer)?)
            .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
        Ok(info.table.remove(VERSION))
    }
}
