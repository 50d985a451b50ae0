//! The parts that definitions are made of.

use serde_json::Value as Json;

use crate::api::http::{FieldType, Method};
use crate::decide::expression::{Reading, Template, TextTemplate};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, appended to the base URL.
    pub path: Path,
    /// Templates of the query; one without a value is left out, and a list is there once for each element.
    pub query: Vec<(String, TextTemplate)>,
    /// Templates of headers.
    pub headers: Vec<(String, TextTemplate)>,
    /// The body.
    pub body: Body,
    /// The header that carries our idempotency key.
    pub idempotency_header: Option<String>,
    /// Whether it does the same once however often it is sent, in another way.
    pub idempotent: bool,
    /// How the answer is read.
    pub answers: Answers,
}

/// A path, in the parts between its slashes.
#[derive(Clone, Debug, Default)]
pub struct Path(pub Vec<Part>);

/// What stands between two slashes of a path.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it was written, and already as a URL has it.
    Plain(String),
    /// To be rendered and then encoded.
    Value(TextTemplate),
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// None.
    Empty,
    /// A tree.
    Json(Template),
    /// Fields of a form; one without a value is left out, and a list is there once for each element.
    Form(Vec<(String, TextTemplate)>),
}

/// How answers are read: each is true or false of `response`. See [`crate::api::http::Answers`].
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The credentials are refused.
    pub unauthorized: Option<Reading>,
    /// It asks to slow down.
    pub throttled: Option<Reading>,
    /// No seat is free.
    pub no_seat: Option<Reading>,
    /// It is so already.
    pub already: Option<Reading>,
    /// What it is about is not there.
    pub gone: Option<Reading>,
    /// It changed or exists.
    pub conflict: Option<Reading>,
    /// It failed although the status says otherwise.
    pub failed: Option<Reading>,
}

/// A read that gives a list.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The request; can speak of `page`.
    pub request: Request,
    /// The list, over `response`.
    pub items: Reading,
    /// How there is a next page.
    pub pages: Option<Pages>,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The request.
    pub request: Request,
    /// The list of what was found, over `response`; without it, `response.body` is the one record.
    pub items: Option<Reading>,
    /// How there is a next page.
    pub pages: Option<Pages>,
}

/// How there is a next page.
#[derive(Clone, Debug)]
pub enum Pages {
    /// `page.token` of the next, over `response`.
    Token(Reading),
    /// The next page's address.
    Link(Link),
    /// There is one where this one has so many items.
    Full {
        /// How many.
        size: usize,
        /// The number of the first page.
        first: u32,
    },
    /// Whether there is one, over `response`.
    More {
        /// The reading.
        more: Reading,
        /// The number of the first page.
        first: u32,
    },
}

impl Pages {
    /// The number of the first page.
    pub fn first(&self) -> u32 {
        match self {
            Self::Full { first, .. } | Self::More { first, .. } => *first,
            Self::Token(_) | Self::Link(_) => 1,
        }
    }
}

/// Where the next page's address stands.
#[derive(Clone, Debug)]
pub enum Link {
    /// In the header `Link`, with `rel="next"` (RFC 8288).
    Header,
    /// Where this reads it, over `response`.
    Reading(Reading),
}

/// A value of a field, which objects hold as text, as the type says. The error is a sentence.
pub fn typed(text: &str, type_: FieldType) -> Result<Json, String> {
    match type_ {
        FieldType::String => Ok(Json::from(text)),
        FieldType::Integer => text
            .parse::<i64>()
            .map(Json::from)
            .map_err(|_| "must be a whole number".to_owned()),
        FieldType::Boolean => text
            .parse::<bool>()
            .map(Json::from)
            .map_err(|_| "must be true or false".to_owned()),
    }
}
