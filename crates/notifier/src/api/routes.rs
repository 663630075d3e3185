//! The routes as one list, from which both the router and the OpenAPI document are made.
//!
//! A route cannot be served and not described: what it takes and gives is read off the handler's
//! own types ([`Described`]), and a handler whose types say nothing of themselves does not compile.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{self, MethodRouter};
use notification::api::notifier::Role;
use schemars::JsonSchema;
use service::extract::{Json, Path, Query};

use super::ApiState;
use super::gate::{self, Gate};
use super::openapi::Sheet;
use crate::operator::Operator;

/// One method of one path.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// What it is for, in one line.
    pub(super) says: &'static str,
    /// Whose token it wants; `None`: nobody's.
    pub(super) needs: Option<Role>,
    /// The status when all went well.
    pub(super) answers: u16,
    /// A name that no other has.
    pub(super) id: String,
    pub(super) describe: fn(&mut Sheet<'_>),
    within: Duration,
    service: MethodRouter<ApiState>,
}

/// GET: wants a token that may read.
pub(super) fn get<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, ApiState> + Described<T>,
    T: 'static,
{
    Route::new::<H, T>("get", path, Role::Read, routing::get(handler))
}

/// POST: wants a token that may operate.
pub(super) fn post<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, ApiState> + Described<T>,
    T: 'static,
{
    Route::new::<H, T>("post", path, Role::Operate, routing::post(handler))
}

/// PATCH: wants a token that may operate.
pub(super) fn patch<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, ApiState> + Described<T>,
    T: 'static,
{
    Route::new::<H, T>("patch", path, Role::Operate, routing::patch(handler))
}

/// DELETE: wants a token that may operate.
pub(super) fn delete<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, ApiState> + Described<T>,
    T: 'static,
{
    Route::new::<H, T>("delete", path, Role::Operate, routing::delete(handler))
}

impl Route {
    fn new<H, T>(
        method: &'static str,
        path: &'static str,
        needs: Role,
        service: MethodRouter<ApiState>,
    ) -> Self
    where
        H: Described<T>,
    {
        Self {
            method,
            path,
            says: "",
            needs: Some(needs),
            answers: StatusCode::OK.as_u16(),
            id: operation_id(std::any::type_name::<H>()),
            describe: H::describe,
            within: gate::DEADLINE,
            service,
        }
    }

    /// What it is for, in one line.
    pub(super) fn says(mut self, line: &'static str) -> Self {
        self.says = line;
        self
    }

    /// Another role than its method's.
    pub(super) fn needs(mut self, role: Role) -> Self {
        self.needs = Some(role);
        self
    }

    /// Another deadline than the usual one.
    pub(super) fn within(mut self, span: Duration) -> Self {
        self.within = span;
        self
    }

    /// Whoever asks.
    pub(super) fn open(mut self) -> Self {
        self.needs = None;
        self
    }

    /// Another status than 200.
    pub(super) fn answers(mut self, status: StatusCode) -> Self {
        self.answers = status.as_u16();
        self
    }
}

/// The router of a list; before each handler its gate.
pub(super) fn router(routes: Vec<Route>, state: ApiState) -> Router {
    let add = |router: Router<ApiState>, route: Route| {
        let Some(needs) = route.needs else {
            return router.route(route.path, route.service);
        };
        let gate = Gate {
            tokens: state.tokens.clone(),
            needs,
            within: route.within,
        };
        let guarded = middleware::from_fn_with_state(gate, gate::pass);
        router.route(route.path, route.service.route_layer(guarded))
    };
    let router = routes.into_iter().fold(Router::new(), add);
    router.with_state(state)
}

/// `notifications_show` of `notifier::api::notifications::show`.
fn operation_id(handler: &str) -> String {
    let within = handler
        .split_once("::api::")
        .map_or(handler, |(_, rest)| rest);
    within.replace("::", "_")
}

/// A handler whose types say what it takes and gives.
pub(super) trait Described<T> {
    /// Writes that down.
    fn describe(sheet: &mut Sheet<'_>);
}

/// What a handler takes.
pub(super) trait Taken {
    /// Writes it down; most of what is taken comes from the server itself.
    fn describe(_sheet: &mut Sheet<'_>) {}
}

/// What a handler gives when all went well; errors are problems, all alike.
pub(super) trait Given {
    /// Writes it down.
    fn describe(_sheet: &mut Sheet<'_>) {}
}

impl<S> Taken for State<S> {}
impl Taken for Operator {}
/// A path's parameters are read off its text.
impl<T> Taken for Path<T> {}

impl<T: JsonSchema> Taken for Query<T> {
    fn describe(sheet: &mut Sheet<'_>) {
        sheet.query::<T>();
    }
}

impl<T: JsonSchema> Taken for Json<T> {
    fn describe(sheet: &mut Sheet<'_>) {
        sheet.body::<T>();
    }
}

impl<T: JsonSchema> Given for Json<T> {
    fn describe(sheet: &mut Sheet<'_>) {
        sheet.answer::<T>();
    }
}

impl<T: Given> Given for (StatusCode, T) {
    fn describe(sheet: &mut Sheet<'_>) {
        T::describe(sheet);
    }
}

/// An answer without a body.
impl Given for StatusCode {}

macro_rules! described {
    ($($taken:ident),+) => {
        impl<F, Fut, A, E, M, $($taken),+> Described<(M, $($taken,)+)> for F
        where
            F: Fn($($taken),+) -> Fut,
            Fut: Future<Output = Result<A, E>>,
            A: Given,
            $($taken: Taken),+
        {
            fn describe(sheet: &mut Sheet<'_>) {
                $($taken::describe(sheet);)+
                A::describe(sheet);
            }
        }
    };
}

impl<F, Fut, A, E> Described<((),)> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<A, E>>,
    A: Given,
{
    fn describe(sheet: &mut Sheet<'_>) {
        A::describe(sheet);
    }
}

described!(A1);
described!(A1, A2);
described!(A1, A2, A3);
described!(A1, A2, A3, A4);
described!(A1, A2, A3, A4, A5);
