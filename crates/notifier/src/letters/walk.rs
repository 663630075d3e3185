//! Where a job stands among its letters: one walk over all of them, and one of its own for each
//! endpoint that took nothing when the turn of its letters came.
//!
//! So a job for many endpoints waits for none of them. The invariant: each letter that is not dealt
//! with lies before exactly one walk, the one over all, which leaves out the endpoints that have their
//! own, or its endpoint's. What is kept with the job is the place that all walks have reached
//! ([`Walk::reached`]): whoever takes the job over begins one walk there, and passes over what was
//! dealt with already.

use std::collections::BTreeMap;

use notification::EndpointId;

use super::id::Place;

/// See the module. Places are those behind which a walk goes on; `None` is the beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    over_all: Option<Place>,
    /// The walk over all has come to the end of the letters.
    ended: bool,
    by_endpoint: BTreeMap<EndpointId, Option<Place>>,
    /// Whose turn was last.
    last: Option<EndpointId>,
    /// Whether the walk over all came first.
    all_first: bool,
}

/// One of the walks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Of {
    All,
    Endpoint(EndpointId),
}

impl Walk {
    /// As a job's row has it.
    pub(super) fn from(reached: Option<Place>) -> Self {
        Self {
            over_all: reached,
            ..Self::default()
        }
    }

    /// Where a walk goes on; `None` if it is none, or at its end.
    pub(super) fn place(&self, of: &Of) -> Option<Option<&Place>> {
        match of {
            Of::All => (!self.ended).then_some(self.over_all.as_ref()),
            Of::Endpoint(id) => self.by_endpoint.get(id).map(Option::as_ref),
        }
    }

    /// The endpoints with walks of their own.
    pub(super) fn apart(&self) -> Vec<EndpointId> {
        self.by_endpoint.keys().cloned().collect()
    }

    /// The walks to look at now: of at most `most` endpoints, those whose turn was longest ago, and the
    /// one over all, which comes first every other time.
    pub(super) fn turn(&mut self, most: usize) -> Vec<Of> {
        let last = self.last.clone();
        let behind = |id: &&EndpointId| last.as_ref().is_none_or(|last| *id > last);
        let (later, first): (Vec<_>, Vec<_>) = self.by_endpoint.keys().partition(behind);
        let endpoints = later.into_iter().chain(first).take(most);
        let mut turn: Vec<Of> = endpoints.cloned().map(Of::Endpoint).collect();
        self.all_first = !self.all_first;
        match (self.ended, self.all_first) {
            (true, _) => {}
            (false, true) => turn.insert(0, Of::All),
            (false, false) => turn.push(Of::All),
        }
        turn
    }

    /// An endpoint was looked at: the next turn begins with another.
    pub(super) fn had_its_turn(&mut self, id: &EndpointId) {
        self.last = Some(id.clone());
    }

    /// From `place` on, an endpoint's letters are walked by themselves.
    pub(super) fn leave(&mut self, id: EndpointId, place: Option<Place>) {
        self.by_endpoint.entry(id).or_insert(place);
    }

    /// A walk has no more letters.
    pub(super) fn end(&mut self, of: &Of) {
        match of {
            Of::All => self.ended = true,
            // The walk over all finds no letters of it either.
            Of::Endpoint(id) => drop(self.by_endpoint.remove(id)),
        }
    }

    /// Nothing is left to walk.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.by_endpoint.is_empty()
    }

    /// A walk goes on behind this place.
    pub(super) fn advance(&mut self, of: &Of, place: Place) {
        match of {
            Of::All => self.over_all = Some(place),
            Of::Endpoint(id) => {
                self.by_endpoint.insert(id.clone(), Some(place));
            }
        }
    }

    /// Everything up to here is dealt with; `None`: nothing is, for sure.
    pub(super) fn reached(&self) -> Option<&Place> {
        let over_all = (!self.ended).then_some(self.over_all.as_ref());
        let own = self.by_endpoint.values().map(Option::as_ref);
        // None is less than any place.
        over_all.into_iter().chain(own).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::tests::copy;
    use crate::letters::id::LetterId;

    fn place(died_ms: i64) -> Place {
        let key = copy().key;
        let generation = 0;
        Place {
            died_ms,
            id: LetterId { key, generation },
        }
    }

    fn of(id: &str) -> Of {
        Of::Endpoint(id.parse().unwrap())
    }

    fn left(walk: &mut Walk, id: &str, behind: Option<i64>) {
        walk.leave(id.parse().unwrap(), behind.map(place));
    }

    #[test]
    fn what_is_kept_is_the_place_that_every_walk_has_reached() {
        let mut walk = Walk::from(Some(place(3)));
        assert_eq!(walk.reached(), Some(&place(3)));
        left(&mut walk, "busy", Some(5));
        walk.advance(&Of::All, place(9));
        assert_eq!(walk.reached(), Some(&place(5)));
        // It is left once: a later place would pass over its letters.
        left(&mut walk, "busy", Some(8));
        assert_eq!(walk.place(&of("busy")), Some(Some(&place(5))));
        walk.advance(&of("busy"), place(7));
        assert_eq!(walk.reached(), Some(&place(7)));
        walk.end(&Of::All);
        assert_eq!(walk.reached(), Some(&place(7)));
        assert!(!walk.is_over(), "one endpoint's letters are left");
        walk.end(&of("busy"));
        assert!(walk.is_over());
    }

    #[test]
    fn at_its_beginning_nothing_is_reached() {
        let mut walk = Walk::from(None);
        left(&mut walk, "busy", None);
        walk.advance(&Of::All, place(9));
        assert_eq!(walk.reached(), None);
    }

    #[test]
    fn endpoints_take_turns_and_so_does_the_walk_over_all() {
        let mut walk = Walk::from(None);
        for id in ["a", "b", "c"] {
            left(&mut walk, id, None);
        }
        assert_eq!(walk.turn(2), [Of::All, of("a"), of("b")]);
        walk.had_its_turn(&"b".parse().unwrap());
        assert_eq!(walk.turn(2), [of("c"), of("a"), Of::All]);
        walk.end(&Of::All);
        walk.had_its_turn(&"c".parse().unwrap());
        assert_eq!(walk.turn(9), [of("a"), of("b"), of("c")]);
    }
}
