//! The page's files, and what every answer says to keep the page safe.

use axum::body::{Body, Bytes};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};

/// What a browser lets the page do (developer.mozilla.org, "HTTP headers"): scripts and styles of its own files alone, no
/// frames, serial ports and nothing else of the machine's. The relay may be on another host than the page.
pub(super) const SAFETY: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
         img-src 'self' data:; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "serial=(self), camera=(), microphone=(), geolocation=(), usb=(), hid=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers a request for a file.
pub(super) async fn file(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "files are read by GET and HEAD");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let Some(file) = uartbridge_page::file(path.trim_start_matches('/')) else {
        return text(StatusCode::NOT_FOUND, missing(path));
    };
    let mut answer = Response::new(Body::empty());
    let headers = answer.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static(file.etag));
    // Always asked for again, which costs nothing while the tag is the same: the next version of the program may be here.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known(request.headers(), file.etag) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return answer;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    *answer.body_mut() = Body::from(Bytes::from_static(file.bytes));
    answer
}

/// A few words as an answer.
pub(super) fn text(status: StatusCode, words: impl Into<String>) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("{}\n", words.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn missing(path: &str) -> &'static str {
    if path.starts_with("/wasm/") && !uartbridge_page::has_wasm() {
        return "this program was built without the bridge in WebAssembly: `cargo xtask web build` makes it, and \
                building the program again takes it in";
    }
    "no such file"
}

/// Whether the browser has this version (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    tags.flat_map(|tags| tags.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
