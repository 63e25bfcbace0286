//! Credential sent with every call.

use std::task::{Context, Poll};

use http::{HeaderValue, Request, header};
use tonic::body::Body;
use tonic::client::GrpcService;

/// API key, or JWT of an issuer that the server trusts. Never displayed or logged.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Token {
    /// Parses a key or token. None if it contains characters that no credential has, such as a line break within.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::try_from(format!("Bearer {text}")).ok().filter(|_| usable)?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// Channel that sends a token with every call, if it has one. Only TLS protects the token in transit: see
/// docs/security.md.
#[derive(Clone, Debug)]
pub struct Authorized<C> {
    channel: C,
    token: Option<Token>,
}

impl<C> Authorized<C> {
    /// Wraps a channel.
    pub fn new(channel: C, token: Option<Token>) -> Self {
        Self { channel, token }
    }
}

impl<C: GrpcService<Body>> tower::Service<Request<Body>> for Authorized<C> {
    type Response = http::Response<C::ResponseBody>;
    type Error = C::Error;
    type Future = C::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> C::Future {
        if let Some(Token(value)) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        self.channel.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token = Token::new("cd_hunter2\n").unwrap();
        assert_eq!(token.0.to_str().unwrap(), "Bearer cd_hunter2");
        assert!(!format!("{token:?} {:?}", token.0).contains("hunter2"));
        for invalid in ["", " \n", "two words", "line\nbreak", "schlüssel"] {
            assert!(Token::new(invalid).is_none(), "{invalid}");
        }
    }
}
