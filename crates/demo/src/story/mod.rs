//! The story: ten transfers, three processes killed in the middle of them, and where the money is
//! in the end.
//!
//! The scenes that need nobody killed are watched while bank1, which has answered them, is killed;
//! then the notifier and the broker die while nothing else depends on them; then the dead letter is
//! sent anew. A scene reports only what the banks, the notifier and the processes said, and the
//! table judges it.

mod board;
mod broker_killed;
mod closing;
mod hand;
mod initiator_killed;
mod notifier_killed;
mod ordinary;
mod resend;
mod scenes;

use std::path::PathBuf;
use std::time::Duration;

pub use board::Board;
pub use broker_killed::BrokerHand;
pub use hand::{Hand, Hands};

use crate::money::Money;
use crate::stage::Stage;
use crate::table::Row;
use crate::world::World;

/// How the story is played.
#[derive(Debug, Clone)]
pub struct Script {
    /// What may kill and restart a broker that is no child of the stage.
    pub broker_restart: Option<PathBuf>,
    /// How long one scene may take to come to its end.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Ending {
    /// A line a scene, in the order of the table.
    pub rows: Vec<Row>,
    /// Where the money is.
    pub money: anyhow::Result<Money>,
}

impl Ending {
    /// Whether every line holds and no money was made or lost.
    pub fn holds(&self) -> bool {
        !self.rows.iter().any(Row::is_broken) && self.money.as_ref().is_ok_and(Money::is_conserved)
    }
}

/// Plays all scenes on a stage. `board` is told of each line as soon as it and those above it are known.
pub async fn play(stage: &mut Stage, world: &World, script: &Script, board: &Board) -> Ending {
    let hands = Hands {
        bank1: Hand::Child(&mut stage.bank1),
        notifier: Hand::Child(&mut stage.notifier),
        broker: BrokerHand::choose(stage.broker.as_mut(), script.broker_restart.as_deref()),
    };
    play_with(hands, world, script.patience, board).await
}

/// Plays all scenes with hands on services that run already.
pub async fn play_with(
    hands: Hands<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) -> Ending {
    let Hands {
        mut bank1,
        mut notifier,
        mut broker,
    } = hands;
    let started = ordinary::start(world, board).await;
    let (ordinary, fenced) = tokio::join!(
        ordinary::watch(started, world, patience, board),
        initiator_killed::play(&mut bank1, world, patience, board),
    );
    let cut_off = notifier_killed::kill(&mut notifier, world, patience, board).await;
    tokio::join!(
        notifier_killed::watch(cut_off, world, patience, board),
        broker_killed::play(&mut broker, world, patience, board),
    );
    resend::play(ordinary.dead, world, patience, board).await;
    closing::reconsider(world, scenes::FAILS_INSIDE, ordinary.rolled_back, board).await;
    closing::reconsider(world, scenes::KILLED_BEFORE_COMMIT, fenced, board).await;
    Ending {
        rows: board.rows(),
        money: closing::money(world).await,
    }
}
