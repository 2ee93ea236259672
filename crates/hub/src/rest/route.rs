//! Routes of the interface. The type of a handler names the right that a request needs, and no other handler can
//! be a route: it does not compile.
//!
//! axum puts the parameters of a handler into the type parameter `T` of its trait `Handler`. [`Guarded`] holds for
//! those that begin with a [`Caller`] or a [`DeviceCaller`], and [`Routes`] takes no others. So the token is judged before anything else
//! of the request is looked at.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};

use super::caller::{Caller, Needs};
use super::device_caller::DeviceCaller;
use super::reply::Refused;
use crate::core::Core;
use crate::error::Error;
use crate::policy::Right;

/// Parameters of a handler that begin with the caller.
pub(super) trait Guarded {
    /// The right that the caller has to have.
    const RIGHT: Right;
}

/// `M` is axum's own mark; it stands before the parameters.
macro_rules! guarded {
    ($(($($others:ident),*)),*) => {$(
        impl<M, R: Needs, $($others),*> Guarded for (M, Caller<R>, $($others),*) {
            const RIGHT: Right = R::RIGHT;
        }
    )*};
}

guarded!((), (A), (A, B));

/// The same for handlers of what devices ask for.
macro_rules! guarded_for_devices {
    ($(($($others:ident),*)),*) => {$(
        impl<M, $($others),*> Guarded for (M, DeviceCaller, $($others),*) {
            const RIGHT: Right = Right::DeviceConnect;
        }
    )*};
}

guarded_for_devices!((), (A), (A, B));

/// Handlers of one path, one for each method.
#[derive(Clone, Default)]
pub(super) struct Operations {
    router: MethodRouter<Arc<Core>>,
    rights: Vec<(Method, Right)>,
}

macro_rules! methods {
    ($($name:ident, $method:ident);*) => {$(
        /// Adds a handler for the method of the same name.
        pub(super) fn $name<H, T>(self, handler: H) -> Self
        where
            H: Handler<T, Arc<Core>>,
            T: Guarded + 'static,
        {
            self.on(MethodFilter::$method, Method::$method, handler)
        }
    )*};
}

impl Operations {
    /// No handlers.
    pub(super) fn new() -> Self {
        Self::default()
    }

    methods!(get, GET; put, PUT; post, POST; patch, PATCH; delete, DELETE);

    fn on<H, T>(mut self, filter: MethodFilter, method: Method, handler: H) -> Self
    where
        H: Handler<T, Arc<Core>>,
        T: Guarded + 'static,
    {
        self.router = self.router.on(filter, handler);
        self.rights.push((method, T::RIGHT));
        self
    }
}

/// Paths with their handlers.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Arc<Core>>,
    /// Every method of every path, and the right that it needs.
    served: Vec<(Method, String, Right)>,
}

impl Routes {
    /// No paths.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a path.
    pub(super) fn route(mut self, path: &str, operations: Operations) -> Self {
        let served = operations.rights.into_iter();
        self.served
            .extend(served.map(|(method, right)| (method, path.to_owned(), right)));
        self.router = self.router.route(path, operations.router);
        self
    }

    /// Adds a path of devices, and the same path of modules. An `Id` is the device or module that it names.
    pub(super) fn of_identity(self, before: &str, after: &str, operations: Operations) -> Self {
        self.route(&format!("{before}/{{id}}{after}"), operations.clone())
            .route(
                &format!("{before}/{{id}}/modules/{{module}}{after}"),
                operations,
            )
    }

    /// Adds a feed of messages under locks at each of these paths: `next` gives a message and its lock token, `complete`
    /// ends the message of the token below the path, and `abandon` lets it wait again.
    pub(super) fn of_locks(
        mut self,
        paths: [&str; 2],
        next: &Operations,
        complete: &Operations,
        abandon: &Operations,
    ) -> Self {
        for path in paths {
            self = self
                .route(path, next.clone())
                .route(&format!("{path}/{{token}}"), complete.clone())
                .route(&format!("{path}/{{token}}/abandon"), abandon.clone());
        }
        self
    }

    /// Adds the paths of `other`.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.served.extend(other.served);
        self.router = self.router.merge(other.router);
        self
    }

    /// Words the errors of these paths in another way.
    pub(super) fn worded(mut self, word: fn(&Error) -> Response) -> Self {
        let again = move |response: Response| {
            std::future::ready(match response.extensions().get::<Refused>() {
                Some(Refused(error)) => word(error),
                None => response,
            })
        };
        self.router = self.router.layer(map_response(again));
        self
    }

    /// Every method of every path, and the right that it needs.
    #[cfg(test)]
    pub(super) fn served(&self) -> &[(Method, String, Right)] {
        &self.served
    }

    /// The router, for a server.
    pub(super) fn into_router(self) -> Router<Arc<Core>> {
        self.router
    }
}
