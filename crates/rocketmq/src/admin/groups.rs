//! Consumer groups: which there are, and making them.

use std::time::Duration;

use rocketmq_wire::remoting::{self, CreateGroup, GroupList};

use super::{Admin, done, unreadable};
use crate::error::Error;

/// A consumer group to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Redeliveries before the broker dead-letters a message by itself: one less than deliveries.
    pub retry_max_times: u32,
    /// The delays that consumers are told to ask for. Empty: the broker's own, from 1 s on.
    pub delays: Vec<Duration>,
}

/// A consumer group on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// Redeliveries before the broker dead-letters a message by itself.
    pub retry_max_times: u32,
    /// The delays that consumers are told to ask for. Empty: the broker's own, from 1 s on, or a
    /// policy of another kind than a list.
    pub delays: Vec<Duration>,
    /// Whether its consumers are given anything.
    pub consume_enabled: bool,
    /// The broker's name.
    pub broker: String,
}

impl Admin {
    /// All consumer groups of the cluster, the brokers' own included: one entry for each broker
    /// that has it.
    ///
    /// # Errors
    /// When a broker cannot be asked.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, Error> {
        const OPERATION: &str = "list groups";
        let mut groups = Vec::new();
        for broker in self.leading().await? {
            let answer = self.ask(OPERATION, &broker, remoting::groups(0)).await?;
            let list = GroupList::from_frame(&done(OPERATION, answer)?)
                .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
            groups.extend(list.groups.into_iter().map(|group| GroupInfo {
                name: group.group,
                retry_max_times: group.retry_max_times,
                delays: group.delays,
                consume_enabled: group.consume_enabled,
                broker: broker.name.clone(),
            }));
        }
        Ok(groups)
    }

    /// As [`Self::create_group`], except that what the specification says nothing of stays as it is
    /// where the group is there already, and that a broker on which all is as specified is not asked
    /// to change anything.
    ///
    /// # Errors
    /// When a master refuses or does not answer; those before it have the group then.
    pub async fn adjust_group(&self, group: &GroupSpec) -> Result<(), Error> {
        const OPERATION: &str = "adjust group";
        let wanted = request(group);
        for broker in self.masters(OPERATION).await? {
            let listed = self.ask(OPERATION, &broker, remoting::groups(0)).await?;
            let change = wanted
                .over(&done(OPERATION, listed)?, 0)
                .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
            if let Some(change) = change {
                done(OPERATION, self.ask(OPERATION, &broker, change).await?)?;
            }
        }
        Ok(())
    }

    /// Creates a consumer group on every master of the cluster, or puts this one into the place of
    /// the one of that name: what the specification says nothing of becomes the broker's default.
    ///
    /// # Errors
    /// When a master refuses or does not answer; those before it have the group then.
    pub async fn create_group(&self, group: &GroupSpec) -> Result<(), Error> {
        const OPERATION: &str = "create group";
        let request = request(group).to_frame(0);
        let request =
            request.map_err(|error| Error::invalid(OPERATION, "group", error.to_string()))?;
        for broker in self.masters(OPERATION).await? {
            done(
                OPERATION,
                self.ask(OPERATION, &broker, request.clone()).await?,
            )?;
        }
        Ok(())
    }
}

fn request(group: &GroupSpec) -> CreateGroup {
    CreateGroup {
        group: group.name.clone(),
        retry_max_times: group.retry_max_times,
        delays: group.delays.clone(),
    }
}
