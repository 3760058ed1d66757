import { CoreApp } from '@grafana/data';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';
import type { DataSource } from '../datasource';
import { BeTraceQuery, VariableQuery } from '../types';
import { ConfigEditor } from './ConfigEditor';
import { offered } from './Filter';
import { QueryEditor } from './QueryEditor';
import { VariableEditor } from './VariableEditor';

jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  DataSourcePicker: ({
    inputId,
    type,
    onChange,
  }: {
    inputId: string;
    type: string;
    onChange: (c: unknown) => void;
  }) => (
    <button id={inputId} onClick={() => onChange({ uid: 'tempo-1' })}>
      pick {type}
    </button>
  ),
}));

const datasource = {
  choices: async (kind: string) => [{ value: `${kind}-1`, label: `The first ${kind}` }],
  labelKeys: async () => ['team'],
} as unknown as DataSource;

beforeAll(() => {
  // Comboboxes measure texts, which jsdom does not.
  const getContext = () => ({ measureText: (text: string) => ({ width: 8 * text.length }) });
  Object.defineProperty(HTMLCanvasElement.prototype, 'getContext', { value: getContext });
});

function edited(query: Partial<BeTraceQuery>, app = CoreApp.Dashboard) {
  const onChange = jest.fn();
  const onRunQuery = jest.fn();
  const shared = { datasource, app, onChange, onRunQuery };
  render(<QueryEditor {...shared} query={{ refId: 'A', ...query }} />);
  return { onChange, onRunQuery };
}

test('what is typed narrows what a filter offers, by id and by name', () => {
  const rules = [
    { value: 'charge-checked', label: 'Charges are checked' },
    { value: 'audit', label: 'audit' },
  ];
  expect(offered(rules, '')).toEqual([
    { value: 'charge-checked', label: 'Charges are checked', description: 'charge-checked' },
    { value: 'audit', label: 'audit' },
  ]);
  expect(offered(rules, 'ARE').map(({ value }) => value)).toEqual(['charge-checked']);
  expect(offered(rules, 'aud').map(({ value }) => value)).toEqual(['audit']);
});

test('texts and the limit are taken when they are finished, the limit within bounds', async () => {
  const { onChange } = edited({});
  await userEvent.type(screen.getByLabelText('Message'), 'fraud check{Enter}');
  expect(onChange).toHaveBeenCalledTimes(1);
  expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ text: 'fraud check' }));
  await userEvent.clear(screen.getByLabelText('Limit'));
  await userEvent.type(screen.getByLabelText('Limit'), '99999{Enter}');
  expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ limit: 10_000 }));
});

test('numbers are grouped and have no limit', async () => {
  const { onChange } = edited({ queryType: 'timeseries', groupBy: ['severity'] });
  expect(screen.queryByLabelText('Limit')).toBeNull();
  await userEvent.click(screen.getByLabelText('Count'));
  expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ queryType: 'count', groupBy: ['severity'] }));
});

test('an alert is offered numbers alone, and a table is said to be none', () => {
  edited({ queryType: 'violations' }, CoreApp.UnifiedAlerting);
  expect(screen.queryByLabelText('Violations')).toBeNull();
  expect(screen.getByText('An alert needs numbers: choose Time series or Count')).toBeInTheDocument();
});

test('an annotation does not ask what to show', () => {
  edited({ queryType: 'annotations' });
  expect(screen.queryByText('Show')).toBeNull();
  expect(screen.getByLabelText('Limit')).toHaveValue(100);
});

test('a variable of a label asks which', () => {
  const props = { datasource, onChange: jest.fn(), onRunQuery: jest.fn() };
  const query: VariableQuery = { refId: 'variable', of: 'label', key: 'team' };
  const { rerender } = render(<VariableEditor {...props} query={query} />);
  expect(screen.getByLabelText('Label')).toHaveValue('team');
  rerender(<VariableEditor {...props} query={{ ...query, of: 'rule' }} />);
  expect(screen.queryByLabelText('Label')).toBeNull();
});

test('the configuration keeps what is typed, and secrets apart', async () => {
  const onOptionsChange = jest.fn();
  const options = { url: '', jsonData: {}, secureJsonData: {}, secureJsonFields: {}, readOnly: false } as any;
  render(<ConfigEditor options={options} onOptionsChange={onOptionsChange} />);
  await userEvent.type(screen.getByLabelText(/^URL/), 'h');
  expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ url: 'h' }));
  await userEvent.type(screen.getByLabelText(/^API token/), 's');
  expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ secureJsonData: { apiToken: 's' } }));
  await userEvent.click(screen.getByText('pick tempo'));
  expect(onOptionsChange).toHaveBeenLastCalledWith(
    expect.objectContaining({ jsonData: { tempoDatasourceUid: 'tempo-1' } })
  );
  await userEvent.click(screen.getByLabelText(/^Own CA/));
  await waitFor(() =>
    expect(onOptionsChange).toHaveBeenLastCalledWith(expect.objectContaining({ jsonData: { tlsAuthWithCACert: true } }))
  );
});

test('a provisioned datasource cannot be changed', () => {
  const options = { url: 'http://api', jsonData: {}, secureJsonFields: { apiToken: true }, readOnly: true } as any;
  render(<ConfigEditor options={options} onOptionsChange={jest.fn()} />);
  expect(screen.getByLabelText(/^URL/)).toBeDisabled();
  expect(screen.getByLabelText(/^API token/)).toBeDisabled();
});
