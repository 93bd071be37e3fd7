"""How clients reach the server. A transport translates its wire into `server.sessions` and knows no other transport."""
