import type { Checked } from './useChecked';

/** A trace to begin with. */
export interface Example {
  name: string;
  text: (checked: Checked) => string;
}

const CHARGE = '0af7651916cd43dd8448eb211c80319c';

export const EXAMPLES: Example[] = [
  { name: 'Spans that the rule names', text: named },
  { name: 'A checkout, short form', text: () => json(CHECKOUT) },
  { name: 'A checkout, OTLP/JSON', text: () => json(OTLP) },
];

const json = (value: unknown) => JSON.stringify(value, null, 2);

/** A root with a child for each span that the rule names, one after the other, which has all attributes that it names. */
function named({ spanNames, attributes }: Checked): string {
  const values = Object.fromEntries(attributes.map((key) => [key, 1]));
  const children = spanNames.map((name, at) => ({
    ...{ parent: 'root', name, start: `${10 * at + 10}ms`, duration: '5ms' },
    ...(attributes.length > 0 && { attributes: values }),
  }));
  return json([
    { id: 'root', name: 'request', service: 'shop', duration: `${10 * spanNames.length + 20}ms` },
    ...children,
  ]);
}

const CHECKOUT = [
  { id: 'root', name: 'checkout', service: 'shop', duration: '90ms' },
  { parent: 'root', name: 'payment.fraud_check', service: 'payments', start: '10ms', duration: '20ms' },
  {
    ...{ parent: 'root', name: 'payment.charge_card', service: 'payments', start: '40ms', duration: '20ms' },
    attributes: { amount: 1500, order_id: 'order-17' },
  },
];

const OTLP = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'payments' } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: CHARGE,
              spanId: 'b7ad6b7169203331',
              name: 'checkout',
              kind: 2,
              startTimeUnixNano: '1700000000000000000',
              endTimeUnixNano: '1700000000090000000',
            },
            {
              traceId: CHARGE,
              spanId: '00f067aa0ba902b7',
              parentSpanId: 'b7ad6b7169203331',
              name: 'payment.charge_card',
              startTimeUnixNano: '1700000000040000000',
              endTimeUnixNano: '1700000000060000000',
              attributes: [{ key: 'amount', value: { intValue: '1500' } }],
            },
          ],
        },
      ],
    },
  ],
};
