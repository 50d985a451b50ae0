//! From a request as it is described to one that can be sent. What a value holds can change no other part of it.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use reqwest::{Method, Request as Sendable};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::speech::Speech;
use crate::api::http::Method as Verb;
use crate::decide::definition::{Body, Part, Path, Request, operation_uuid};
use crate::targets::TargetError;

/// A URL longer than this is refused by many servers, and by none of them well.
const LONGEST_URL: usize = 8192;

/// What goes with a request beside what is described.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct With<'a> {
    /// Identifies the effect, for the header of the idempotency key.
    pub operation_id: &'a str,
    /// The version that the change is made to.
    pub version: Option<&'a str>,
}

/// Renders a request. The error is [`TargetError::Refused`]: a value is missing, or cannot stand where it should.
pub(super) fn build(
    base: &Url,
    headers: &HeaderMap,
    request: &Request,
    speech: &Speech,
    with: With<'_>,
) -> Result<Sendable, TargetError> {
    let mut url = with_path(base, &request.path, speech)?;
    let query = fields(&request.query, speech, "query")?;
    if !query.is_empty() {
        // Spaces become %20, which every server reads; + is left to forms.
        let query = Serializer::new(String::new())
            .extend_pairs(query)
            .finish()
            .replace('+', "%20");
        url.set_query(Some(&query));
    }
    if url.as_str().len() > LONGEST_URL {
        return Err(refused("the URL grows too long"));
    }
    let mut sendable = Sendable::new(method(request.method), url);
    let mut all = headers.clone();
    all.entry(ACCEPT)
        .or_insert(HeaderValue::from_static("application/json"));
    for (name, value) in fields(&request.headers, speech, "header")? {
        all.insert(header_name(name)?, header_value(&value, name)?);
    }
    if let Some(name) = &request.idempotency_header {
        let key = operation_uuid(with.operation_id);
        all.insert(header_name(name)?, header_value(&key, name)?);
    }
    if let Some(version) = with.version {
        all.insert(IF_MATCH, header_value(version, "If-Match")?);
    }
    let body = match &request.body {
        Body::Empty => None,
        Body::Json(template) => {
            let tree = template.render(&speech.values()).map_err(refused)?;
            all.entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
            Some(tree.unwrap_or_default().to_string())
        }
        Body::Form(form) => {
            let form = fields(form, speech, "form")?;
            all.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            Some(Serializer::new(String::new()).extend_pairs(form).finish())
        }
    };
    *sendable.headers_mut() = all;
    *sendable.body_mut() = body.map(Into::into);
    Ok(sendable)
}

/// The same request to another address, as of a next page.
pub(super) fn at(sendable: &Sendable, url: Url) -> Sendable {
    let mut next = Sendable::new(sendable.method().clone(), url);
    next.headers_mut().clone_from(sendable.headers());
    if let Some(body) = sendable.body().and_then(|body| body.as_bytes()) {
        *next.body_mut() = Some(body.to_vec().into());
    }
    next
}

fn with_path(base: &Url, path: &Path, speech: &Speech) -> Result<Url, TargetError> {
    let mut text = base.as_str().trim_end_matches('/').to_owned();
    for part in &path.0 {
        text.push('/');
        match part {
            Part::Plain(plain) => text.push_str(plain),
            Part::Value(template) => {
                let value = template
                    .render(&speech.values())
                    .map_err(|why| refused(format!("in the path: {why}")))?;
                // A path of .. climbs, encoded or not, and an empty one is the whole collection.
                let value = value.filter(|value| !matches!(value.as_str(), "" | "." | "..") && value.len() <= 512);
                let value = value.ok_or_else(|| refused("a value that cannot be part of a path"))?;
                text.extend(byte_serialize(value.as_bytes()).map(|part| part.replace('+', "%20")));
            }
        }
    }
    Url::parse(&text).map_err(|_| refused("the address is no URL"))
}

/// Fields of which one whose value is a list is there once for each of its elements.
fn fields<'a>(
    templates: &'a [(String, crate::decide::expression::TextTemplate)],
    speech: &Speech,
    place: &str,
) -> Result<Vec<(&'a str, String)>, TargetError> {
    let mut fields = Vec::new();
    for (name, template) in templates {
        let values = template.render_several(&speech.values());
        let values = values.map_err(|why| refused(format!("in the {place} {name}: {why}")))?;
        fields.extend(values.into_iter().map(|value| (name.as_str(), value)));
    }
    Ok(fields)
}

fn header_name(name: &str) -> Result<HeaderName, TargetError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(format!("{name} is no name of a header")))
}

/// A value that a header can carry: no line breaks, so that it stays one header.
fn header_value(value: &str, name: &str) -> Result<HeaderValue, TargetError> {
    HeaderValue::from_str(value).map_err(|_| refused(format!("a value that the header {name} cannot carry")))
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

fn refused(why: impl AsRef<str>) -> TargetError {
    TargetError::Refused(format!("was not asked: {}", why.as_ref()))
}
