import Wire

/// Every layout the module has, by Kafka's name for it.
let messageTypes: [String: any WireVersioned.Type] = {
  var types: [String: any WireVersioned.Type] = [
    "RequestHeader": RequestHeader.self,
    "ResponseHeader": ResponseHeader.self,
    "ConsumerProtocolSubscription": ConsumerProtocolSubscription.self,
    "ConsumerProtocolAssignment": ConsumerProtocolAssignment.self,
    "TransactionLogKey": TransactionLogKey.self,
    "TransactionLogValue": TransactionLogValue.self,
  ]
  for request in Messages.requests {
    types["\(request)"] = request
    types["\(answer(to: request))"] = answer(to: request)
  }
  return types
}()

private func answer<R: Request>(to request: R.Type) -> any WireVersioned.Type { R.Answer.self }
