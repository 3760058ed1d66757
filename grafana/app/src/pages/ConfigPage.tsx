import React, { useState } from 'react';
import { lastValueFrom } from 'rxjs';
import type { AppPluginMeta, PluginConfigPageProps } from '@grafana/data';
import { DataSourcePicker, getBackendSrv } from '@grafana/runtime';
import { Alert, Button, Field, FieldSet, Input, SecretInput, Stack } from '@grafana/ui';
import { checkApi } from '../api/client';
import { problemOf, type Problem } from '../api/problem';
import type { Settings } from '../settings';

const WIDTH = 60;

export default function ConfigPage({ plugin }: PluginConfigPageProps<AppPluginMeta<Settings>>) {
  const { id, enabled, pinned, jsonData, secureJsonFields } = plugin.meta;
  const [settings, setSettings] = useState<Settings>(jsonData ?? {});
  const [token, setToken] = useState('');
  const [hasToken, setHasToken] = useState(Boolean(secureJsonFields?.apiToken));
  const [answer, setAnswer] = useState<Problem | 'well'>();
  const isChanged = JSON.stringify(settings) !== JSON.stringify(jsonData ?? {}) || token !== '';
  const isAddress = /^https?:\/\/[^/]/.test(settings.apiUrl ?? '');

  const save = async (event: React.FormEvent) => {
    event.preventDefault();
    const secureJsonData = hasToken ? undefined : { apiToken: token };
    const saved = { ...settings, apiUrl: settings.apiUrl?.replace(/\/+$/, '') };
    await lastValueFrom(
      getBackendSrv().fetch({
        url: `/api/plugins/${id}/settings`,
        method: 'POST',
        data: { enabled: true, pinned: enabled ? pinned : true, jsonData: saved, secureJsonData },
      })
    );
    window.location.reload(); // Grafana reads the settings of an app only when a page is loaded
  };
  const check = () =>
    checkApi().then(
      () => setAnswer('well'),
      (error) => setAnswer(problemOf(error))
    );

  return (
    <form onSubmit={save}>
      <FieldSet label="Connection">
        <Field
          label="API address"
          description="As Grafana’s server reaches it"
          invalid={Boolean(settings.apiUrl) && !isAddress}
          error="It begins with http:// or https://"
        >
          <Input
            id="api-url"
            width={WIDTH}
            placeholder="http://betrace-api:12011"
            value={settings.apiUrl ?? ''}
            onChange={(e) => setSettings({ ...settings, apiUrl: e.currentTarget.value.trim() })}
          />
        </Field>
        <Field
          label="Token"
          description="Of an editor, if rules shall be written here. Not needed if the API has no tokens"
        >
          <SecretInput
            id="api-token"
            width={WIDTH}
            isConfigured={hasToken}
            value={token}
            onChange={(e) => setToken(e.currentTarget.value.trim())}
            onReset={() => setHasToken(false)}
          />
        </Field>
        <Field label="Tempo" description="Where traces to test on are taken from; may be left out">
          <DataSourcePicker
            inputId="tempo"
            type="tempo"
            noDefault
            width={WIDTH}
            current={settings.tempoUid ?? null}
            onChange={({ uid }) => setSettings({ ...settings, tempoUid: uid })}
            onClear={() => setSettings({ ...settings, tempoUid: undefined })}
          />
        </Field>
        <Stack gap={1}>
          <Button type="submit" disabled={!isAddress}>
            Save
          </Button>
          <Button type="button" variant="secondary" disabled={isChanged || !isAddress} onClick={check}>
            Test
          </Button>
        </Stack>
      </FieldSet>
      {answer === 'well' && <Alert severity="success" title="BeTrace answers, and takes the token" />}
      {answer && answer !== 'well' && (
        <Alert severity="error" title={answer.status === 401 ? 'BeTrace refuses the token' : 'BeTrace is not ready'}>
          {answer.message}
        </Alert>
      )}
    </form>
  );
}
