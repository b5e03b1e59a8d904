"""The service's face to the network: the TLS front and the REST interface behind it."""
